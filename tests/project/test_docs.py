"""The sources of the documentation name everything public, and their code and commands run."""

import ast
import dataclasses
import doctest
import importlib
import importlib.util
import inspect
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import skxssr
from skxssr.selection import ScoreSpec

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "skxssr"

PUBLIC = [
    "skxssr",
    "skxssr.datasets",
    "skxssr.embedding",
    "skxssr.exceptions",
    "skxssr.workflows.select",
    "skxssr.holdout",
    "skxssr.integrations.modal",
    "skxssr.integrations.torch",
    "skxssr.integrations.warm",
    "skxssr.warm",
    "skxssr.io",
    "skxssr.metrics",
    "skxssr.neighbors",
    "skxssr.pipeline",
    "skxssr.report",
    "skxssr.segmentation",
    "skxssr.selection",
    "skxssr.testing",
]

NEEDED = {
    "torch": ("MAEEmbedder", "TorchEmbedder", "torch"),
    "lightly": ("ContrastiveEmbedder",),
    "segmentation_models_pytorch": ("SMPSegmenter",),
    "pandas": ("to_frame",),
    "skactiveml": ("skactiveml",),
    "dask": ("dask",),
}
MADE = {"_build", "generated", "auto_examples"}  # by a build: their sources are tested elsewhere
PAGES = [path for path in sorted(DOCS.rglob("*.rst")) if not MADE & {*path.parts}]


def test_what_the_page_on_choosing_says_of_the_figures_is_so(monkeypatch):
    pytest.importorskip("docutils", reason="the documentation is built by sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from results import look_up

    def ends(row, column):
        cell = look_up(f"cxr/contradicting_masks/{row}/{column}")
        return [float(number) for number in re.findall(r"[-+]\d+\.\d+", cell)[1:]]

    # "not told apart from random, adjusted": the first rows are those of 5 labels, or the only ones
    for row in ("MaxHerding", "XSSR as described", "k-medoids, source covered", "CoreSet", "XSSR"):
        low, high = ends(row, "adjusted for the count")
        assert low < 0 < high
    for row in ("facility location", "k-means centres", "TypiClust", "USL"):
        low, high = ends(row, "minus random")
        assert low < 0 < high
    for row in ("XSSR, without density", "XSSR as described, without density"):
        assert ends(row, "adjusted for the count")[1] < 0  # "below random draws"
    of_rivals = {
        name: float(look_up(f"cxr/cxr_test@10/{name}/Dice"))
        for name in ("ProbCover", "TypiClust", "USL", "facility location", "random")
    }
    assert min(of_rivals, key=of_rivals.get) == "ProbCover"  # "the lowest"


@pytest.mark.parametrize(
    "wrong",
    [
        "cxr/cxr_test/No such/Dice",
        "cxr/cxr_test/XSSR/No such",
        "cxr/no_such/XSSR/Dice",
        "cxr/cxr_test@7/XSSR/Dice",
    ],
)
def test_a_figure_that_is_not_there_is_an_error(wrong, monkeypatch):
    pytest.importorskip("docutils", reason="the documentation is built by sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    import results

    assert results.look_up("cxr/cxr_test/random/minus random") == "-"
    with pytest.raises(KeyError, match="(?i)no such|no_such|7 labels"):
        results.look_up(wrong)


COMMANDS = re.compile(r"^ +(?:\$ )?skxssr ((?:.*\\\n)*.*)$", flags=re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_commands_of_the_pages_parse(path):
    from skxssr.cli import build_parser

    for line in COMMANDS.findall(path.read_text("utf-8")):
        words = shlex.split(line.replace("\\\n", " "), comments=True)
        assert build_parser().parse_args(words).command == words[0]


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference(module):
    reference = (DOCS / "reference" / "index.rst").read_text(encoding="utf-8")
    for name in importlib.import_module(module).__all__:
        assert re.search(rf"(?<![\w]){name}(?![\w])", reference), f"{module}.{name}"


WITH_CODE = [path for path in PAGES if ">>>" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: str(path.relative_to(DOCS)))
def test_code_of_the_pages_runs(path, monkeypatch, tmp_path):
    text = path.read_text("utf-8")
    for library, names in NEEDED.items():
        if re.search(rf">>> .*\b({'|'.join(names)})\b", text):
            pytest.importorskip(library, reason=f"the page shows what needs {library}")
    monkeypatch.chdir(tmp_path)
    failed, attempted = doctest.testfile(
        str(path),
        module_relative=False,
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert attempted
    assert not failed


def test_table_of_defaults_is_that_of_the_selector():
    method = (DOCS / "method" / "defaults.rst").read_text(encoding="utf-8")
    rows = dict(re.findall(r"\* - ``(\w+)``\n +- (.*)", method))
    parameters = inspect.signature(skxssr.XSSRSelector).parameters
    told = {name: default for name, default in rows.items() if name in parameters}
    told.pop("alphas")  # in words
    expected = {
        name: f"``{parameter.default!r}``".replace("'", '"')
        for name, parameter in parameters.items()
        if name not in {"alphas", "verbose"}
    }
    assert told == expected
    fields = {field.name: field.default for field in dataclasses.fields(ScoreSpec)}
    del fields["terms"]
    told = {name: default for name, default in rows.items() if name in fields}
    assert told == {name: f"``{value!r}``".replace("'", '"') for name, value in fields.items()}


def test_table_of_constants_is_that_of_the_code():
    from skxssr._kernels import greedy
    from skxssr.base import preprocess
    from skxssr.selection._engine import calibrate, scales

    table = (DOCS / "method" / "defaults.rst").read_text(encoding="utf-8")
    for what, told in [
        ("demand set, at least", f"{scales.MIN_DEMAND:,} rows"),
        ("demand rows a pick", f"{scales.DEMAND_PER_PICK}"),
        ("rows for distances", f"{scales.MAX_RANGE:,}"),
        ("source rows used", f"{scales.MAX_SOURCE:,}"),
        ("components", f"{preprocess.MAX_COMPONENTS}"),
        ("rows to fit on", f"{preprocess.MAX_FIT_ROWS:,} a side"),
        ("novelty floor", power_of_ten(scales._TINY)),
        ("alpha ties", power_of_ten(calibrate._TIE) + " relative"),
        ("margin of bounds", power_of_ten(greedy.MARGIN - 1) + " relative"),
    ]:
        assert re.search(rf"\* - {re.escape(what)}\n +- {re.escape(told)}\n", table), (what, told)


def power_of_ten(value):
    return f":math:`10^{{{round(np.log10(value))}}}`"


def imported_rooms(path):
    """The rooms of skxssr that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "skxssr":
                names = [
                    f"skxssr.{skxssr._HOMES.get(a.name, a.name).removeprefix('skxssr.')}"
                    for a in node.names
                ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("skxssr."):
                yield name.split(".")[1]


def test_table_of_imports_is_true():
    page = (DOCS / "architecture.rst").read_text(encoding="utf-8")
    block = page[page.index("Who may import whom") :].split(".. code-block:: text")[1]
    lines = block.split("Some lines are stricter")[0].strip().splitlines()
    level = {room.strip(): i for i, line in enumerate(lines) for room in line.split(",")}
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(level) == rooms - {"__init__", "__pycache__"}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for other in set(imported_rooms(path)) - {room}:
            assert level[other] < level[room], f"{path.name} of {room} imports {other}"


def test_rooms_are_all_described():
    page = (DOCS / "architecture.rst").read_text(encoding="utf-8")
    for path in PACKAGE.iterdir():
        if path.suffix == ".py" and path.stem != "_version":
            assert f"     {path.name} " in page, path.name
        elif path.is_dir() and (path / "__init__.py").exists():
            assert f"     {path.name}/ " in page, path.name
