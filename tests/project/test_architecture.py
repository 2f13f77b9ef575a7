"""Who may import whom, what a bare import loads, and other house rules that code can check."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import skxssr

ROOT = Path(skxssr.__file__).parent

# Part of the package -> the parts it may import, anywhere in its files. Import goes left to right.
HELPERS = {"_utils", "_version", "exceptions"}
MAY_IMPORT = {
    "__init__": {"_version"},  # and lazily every home of a public name
    "_version": set(),
    "exceptions": set(),
    "_utils": {"_version", "exceptions"},
    "_kernels": set(),
    "base": HELPERS,
    "neighbors": {"_kernels", "_utils"},
    "metrics": HELPERS | {"_kernels", "base"},
    "selection": HELPERS | {"_kernels", "_torch", "neighbors", "metrics", "base"},
    "testing": set(),
    "io": HELPERS,
    "datasets": HELPERS | {"io"},
    "holdout": HELPERS | {"io", "base"},
    "_torch": HELPERS | {"io"},
    "embedding": HELPERS | {"io", "_torch"},
    "segmentation": HELPERS | {"io", "_torch", "metrics"},
    "pipeline": HELPERS | {"io", "metrics", "base"},
    "report": HELPERS | {"io", "metrics", "base", "pipeline"},
    "evaluation": HELPERS
    | {"io", "metrics", "neighbors", "base", "selection", "segmentation", "pipeline"},
    "review": HELPERS | {"io", "segmentation"},
    "warm": HELPERS | {"io", "_torch", "metrics", "base", "selection"},
    "integrations": HELPERS | {"metrics", "base", "selection", "warm"},
    "distributed": HELPERS | {"_kernels", "neighbors", "metrics", "base", "selection"},
}
MAY_IMPORT["workflows"] = set(MAY_IMPORT) - {"__init__", "_torch", "_kernels", "integrations"}
MAY_IMPORT["cli"] = set(MAY_IMPORT) - {"_torch", "_kernels"}

TORCH_FAMILY = {
    "torch",
    "torchvision",
    "timm",
    "segmentation_models_pytorch",
    "lightning_fabric",
    "safetensors",
}
NEVER_AT_THE_TOP = {
    "bokeh",
    "cleanlab",
    "dask",
    "distributed",
    "jinja2",
    "lightly",
    "matplotlib",
    "monai",
    "nrrd",
    "pandas",
    "pycocotools",
    "pynndescent",
    "zarr",
    "tqdm",
    "PIL",
    "nibabel",
    "pydicom",
}
LONGEST = 400

FILES = sorted(ROOT.rglob("*.py"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())


def part(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path):
    """(module, whether at the top level) of every import that runs; for type checkers alone, no."""
    found = []

    def visit(node, top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module == "skxssr":
                homes = (skxssr._HOMES.get(a.name, f"skxssr.{a.name}") for a in child.names)
                found.extend((home, top) for home in homes)
            elif isinstance(child, ast.ImportFrom):
                found.append(("." * child.level + (child.module or ""), top))
            visit(child, top and not isinstance(child, ast.FunctionDef | ast.Lambda))

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@every_file
def test_imports_go_one_way(path):
    here = part(path)
    assert here in MAY_IMPORT, f"{here} is a new part: give it a row in the table"
    others = {m.split(".")[1] for m, _ in imports(path) if m.startswith("skxssr.")} - {here}
    assert others <= MAY_IMPORT[here]


def test_the_table_has_no_circle_and_no_empty_row():
    assert set(MAY_IMPORT) == {part(path) for path in FILES}
    done = set()
    while left := set(MAY_IMPORT) - done:
        ready = {name for name in left if MAY_IMPORT[name] <= done}
        assert ready, f"a circle among {sorted(left)}"
        done |= ready


@every_file
def test_optional_packages_are_imported_where_they_are_needed(path):
    at_the_top = {module.split(".")[0] for module, top in imports(path) if top}
    assert not at_the_top & NEVER_AT_THE_TOP
    if part(path) != "_torch":
        assert not at_the_top & TORCH_FAMILY


@every_file
def test_kernels_stand_alone_and_hold_all_compilation(path):
    modules = {module for module, _ in imports(path)}
    if part(path) == "_kernels":
        outside = {m for m in modules if not m.startswith("skxssr._kernels.")}
        compiling = {"numba", "hashlib", "pathlib"} if path.name == "_jit.py" else set()
        assert outside <= {"numpy", "typing", "collections.abc"} | compiling
    else:
        assert "numba" not in {module.split(".")[0] for module in modules}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = getattr(node, "id", getattr(node, "attr", getattr(node, "arg", None)))
        assert name != "prange"
        # of numba; the one of BLAS is set, and put back, in one file
        assert name != "set_num_threads" or path.relative_to(ROOT).as_posix() == "_utils/threads.py"
        assert name != "fastmath" or path.name == "_jit.py"
        if part(path) == "_kernels":
            assert name != "parallel"


@every_file
def test_a_file_says_what_it_is_for_and_stays_short(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= LONGEST
    assert not any(module.startswith(".") for module, _ in imports(path)), "a relative import"


def test_a_bare_import_loads_next_to_nothing():
    code = "import sys, skxssr; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = set(run(code).split())
    heavy = TORCH_FAMILY | NEVER_AT_THE_TOP | {"numba", "sklearn", "scipy", "numpy", "joblib"}
    assert not loaded & heavy


def test_selectors_load_no_optional_package_but_those_of_scikit_learn():
    code = "import sys, {}; print(*{{m.split('.')[0] for m in sys.modules}})"
    ours = run(code.format("skxssr.selection, skxssr.testing, skxssr.metrics")).split()
    theirs = run(code.format("sklearn.neighbors, sklearn.utils.validation, scipy.stats")).split()
    assert not (set(ours) - set(theirs)) & (TORCH_FAMILY | NEVER_AT_THE_TOP)


def test_the_public_surface_is_the_sorted_list_of_names_with_a_home():
    assert sorted([*skxssr._HOMES, "__version__"]) == skxssr.__all__
    assert set(skxssr.__all__) <= set(dir(skxssr))
    with pytest.raises(AttributeError, match="no attribute 'NoSuchSelector'"):
        _ = skxssr.NoSuchSelector


@pytest.mark.parametrize("name", [*skxssr.__all__, *skxssr._SUBMODULES])
def test_every_public_name_resolves(name):
    try:
        value = getattr(skxssr, name)
    except skxssr.exceptions.MissingExtraError as error:
        pytest.skip(str(error))
    if name in skxssr._HOMES:
        assert value.__name__ == name
        assert name in importlib.import_module(skxssr._HOMES[name]).__all__


@pytest.mark.parametrize("name", sorted({part(p) for p in FILES} - {"__init__", "cli", "_torch"}))
def test_each_list_of_names_is_of_names_that_are_there(name):
    module = importlib.import_module(f"skxssr.{name}")
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names)
    assert all(hasattr(module, public) for public in names)
