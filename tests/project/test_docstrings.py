"""Docstrings of everything public: complete, in numpydoc's form, with an example that runs."""

import dataclasses
import importlib
import inspect
import pkgutil
import re

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate
from sklearn.base import BaseEstimator

import skxssr
import skxssr.integrations

# Numpydoc's codes that this project does not follow, and why.
IGNORED_CODES = {
    "SA01": "a See Also section where there is nothing to see",
    "EX01": "an example in each method: the class has one, which is tested below",
    "ES01": "an extended summary where the summary says it all",
    "RT03": "`self` needs no description",
    "RT04": "a description may start with a name in code",
    "PR06": "a boolean mask is an array, not a bool",
    "PR08": "a description may start with a name in code",
}


def public_modules():
    """Every room that is not private, and each file of the integrations, which stand alone."""
    yield "skxssr"
    for package in (skxssr, skxssr.integrations):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if not module.name.rpartition(".")[2].startswith("_"):
                yield module.name


def public_objects():
    """Name -> class or function, each once, under the first name it has."""
    found = {}
    for module in public_modules():
        try:
            home = importlib.import_module(module)
            values = {name: getattr(home, name) for name in getattr(home, "__all__", ())}
        except ImportError:
            continue  # its extra is not installed
        for name, value in values.items():
            if inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value)):
                found.setdefault(value, f"{module}.{name}")
    return {name: value for value, name in found.items()}


OBJECTS = public_objects()
METHODS = [
    f"{name}.{method}"
    for name, value in OBJECTS.items()
    if inspect.isclass(value)
    for method, function in vars(value).items()
    if not method.startswith("_") and inspect.isfunction(inspect.unwrap(function))
]


# What breaks a rule besides, and why: name -> (rule, reason).
EXCEPTIONS = {
    "skxssr.base.BaseSelector": ("PR02", "no constructor; these are parameters of every subclass"),
    "skxssr.workflows.compare.compare_folders": ("example", "it trains many networks: minutes"),
}


def is_record(name):
    """Users read the fields of a record and never pass them: they are Attributes."""
    value = OBJECTS.get(name)
    known = inspect.isclass(value) and (dataclasses.is_dataclass(value) or issubclass(value, tuple))
    return known and not ClassDoc(value)["Parameters"]


def names_of(section):
    """Names of a section, one by one: numpydoc allows several on a line."""
    return [one for entry in section for one in entry.name.split(", ")]


def has_example(name):
    value = OBJECTS[name]
    doc = ClassDoc(value) if inspect.isclass(value) else FunctionDoc(value)
    if ">>>" in "\n".join(doc["Examples"]):
        return True
    if EXCEPTIONS.get(name, ("",))[0] == "example":
        return True
    # A record is seen at work in the example of the function that returns it.
    returned_by = re.search(r"[Ww]hat `(\w+)[\w.]*`", " ".join(doc["Summary"]))
    home = name.rpartition(".")[0]
    names = (f"{home}.{returned_by[1]}", f"skxssr.{returned_by[1]}") if returned_by else ()
    return is_record(name) and any(other in OBJECTS and has_example(other) for other in names)


@pytest.mark.parametrize("name", [*OBJECTS, *METHODS, "skxssr.base.BaseSelector.select"])
def test_docstring(name):
    ignored = {*IGNORED_CODES, EXCEPTIONS.get(name, ("",))[0]}
    if is_record(name):
        ignored.add("PR01")
        fields = list(inspect.signature(OBJECTS[name]).parameters)
        assert names_of(ClassDoc(OBJECTS[name])["Attributes"])[: len(fields)] == fields
    errors = validate(name)["errors"]
    assert {code: text for code, text in errors if code not in ignored} == {}


@pytest.mark.parametrize("name", OBJECTS)
def test_there_is_an_example(name):
    assert has_example(name)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, value in OBJECTS.items()
        if inspect.isclass(value)
        and issubclass(value, BaseEstimator)
        and not inspect.isabstract(value)
    ],
)
def test_documented_parameters_are_those_of_the_signature_in_its_order(name):
    parameters = list(inspect.signature(OBJECTS[name]).parameters)
    assert names_of(ClassDoc(OBJECTS[name])["Parameters"]) == parameters
