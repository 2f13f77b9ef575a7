"""What is written down twice agrees: workflows and Makefile, constraints and bounds, citation."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import skxssr

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path):
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", ())]


def make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))


def called(text):
    """Targets of the calls of make in a script."""
    return re.findall(r"\bmake ([a-z][a-z-]*)", text)


def test_there_is_a_workflow_for_each_task():
    assert [path.stem for path in WORKFLOWS] == ["docs", "release", "tests", "wheel"]


@every_workflow
def test_a_workflow_calls_targets_that_exist(path):
    targets = [name for step in steps(path) for name in called(step.get("run", ""))]
    local = [job["uses"] for job in read(path)["jobs"].values() if "uses" in job]
    assert targets or local
    assert set(targets) <= make_targets()
    assert all((ROOT / name).is_file() for name in local)


def test_tests_are_those_of_the_continuous_integration():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    calls = re.findall(r"^exec make (\S+)", script, flags=re.MULTILINE)
    assert calls == ["test"]
    targets = [name for step in steps(GITHUB / "workflows" / "tests.yml")
               for name in called(step.get("run", ""))]  # fmt: skip
    assert targets == ["test", "test-oldest", "test-newest"]


@every_workflow
def test_actions_are_pinned_and_no_job_may_more_than_it_needs(path):
    workflow, text = read(path), path.read_text(encoding="utf-8")
    assert workflow["permissions"] == {"contents": "read"}
    for line in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"\./\S+|\S+@[0-9a-f]{40} # v[0-9.]+", line), line
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert "secrets." not in text


@every_workflow
def test_a_workflow_uses_one_release_of_an_action(path):
    pins = {}
    for other in WORKFLOWS:
        for name, pin in re.findall(r"uses: ([\w-]+/[\w-]+)@(.*)", other.read_text("utf-8")):
            pins.setdefault(name, set()).add(pin)
    assert {name: pin for name, pin in pins.items() if len(pin) > 1} == {}


def test_pythons_tested_are_those_supported():
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    jobs = read(GITHUB / "workflows" / "tests.yml")["jobs"]
    tested = jobs["test"]["strategy"]["matrix"]["python"]
    assert all(python in supported for python in tested)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    minors = re.search(r"for v in ([\d ]+);", makefile)[1].split()
    assert tested == [f"3.{minor}" for minor in minors]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one(path):
    form = read(path)
    assert form["name"] and form["description"]
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked) > 1
    assert {part["type"] for part in asked} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert all(part["attributes"]["label"] for part in asked)


def test_code_of_the_issue_form_runs():
    (code,) = (
        part["attributes"]["placeholder"]
        for part in read(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]
        if part.get("id") == "code"
    )
    exec(compile(code, "bug.yml", "exec"), {})


def test_citation():
    citation = read(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(
        citation
    )  # all the format requires
    assert citation["version"] == skxssr.__version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["authors"] == PROJECT["project"]["authors"]
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= set(paper)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"title   = {{{citation['title']}}}" in readme
    assert f"version = {{{citation['version']}}}" in readme
    assert paper["url"] in readme


def test_constraints_are_the_lower_bounds():
    """What `make test-oldest` installs is what pyproject.toml says is enough."""
    extras = PROJECT["project"]["optional-dependencies"]
    installed = [*PROJECT["project"]["dependencies"]]
    # all but the libraries that selectors plug into, some of which hold other packages back
    of_others = {"activeml", "baal", "small-text", "monailabel", "modal"}
    everywhere = extras["all"][0].split("[")[1].rstrip("]").split(",")
    assert set(everywhere) == set(extras) - of_others - {"all"}
    for extra in everywhere:
        installed += [text for text in extras[extra] if not text.startswith("skxssr")]
    lines = (ROOT / "tests" / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = {}
    for requirement in map(Requirement, (line for line in lines if not line.startswith("#"))):
        (clause,) = requirement.specifier
        if clause.operator == "==":
            pinned[requirement.name] = clause.version
    assert pinned.pop("torchvision")  # comes with timm, goes with torch
    for requirement in map(Requirement, installed):
        lowest = pinned.pop(requirement.name)
        (bound,) = (c.version for c in requirement.specifier if c.operator == ">=")
        assert lowest in requirement.specifier
        assert (lowest + ".0").startswith(bound + "."), (requirement, lowest)
    assert not pinned
