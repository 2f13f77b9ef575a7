"""Source archive, wheel, and the core in an environment of its own: without torch it picks rows.

The same environment then receives scikit-matter, which holds scikit-learn back to a release of its
choice: another implementation to compare k-center with, and an older scikit-learn to run on.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.environments import output as run

ROOT = Path(__file__).parents[2]
MISSION = """
import importlib.util, sys
import numpy as np
from skxssr import XSSRSelector
X = np.random.default_rng(0).normal(size=(440, 16))
picked = XSSRSelector(alpha='auto').select(X, 22)
assert picked.shape == (22,) and len(set(picked.tolist())) == 22
assert not any(importlib.util.find_spec(name) for name in ("torch", "tqdm", "matplotlib", "pandas"))
print(*picked)
"""
AGAINST_SKMATTER = """
import numpy as np, sklearn
from skmatter.sample_selection import FPS
from skxssr import CoreSetSelector, XSSRSelector
X = np.random.default_rng(1).normal(size=(300, 8))
ours = CoreSetSelector(initialize=5, preprocess=None).select(X, 40)
theirs = FPS(initialize=5, n_to_select=40).fit(X).selected_idx_
np.testing.assert_array_equal(ours, theirs)
X = np.random.default_rng(0).normal(size=(440, 16))
print(*XSSRSelector(alpha='auto').select(X, 22))
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """What `make dist` makes: the archive, and the wheel built from it."""
    pytest.importorskip("build", reason="build makes archive and wheel")
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, ROOT)
    return out


@pytest.fixture(scope="module")
def wheel(dist):
    return next(dist.glob("*.whl"))


def test_archive_holds_all_that_is_tracked(dist):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not in a git repository")
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert tracked <= held
    assert {"CITATION.cff", "LICENSE", "README.md", "pyproject.toml"} <= held


def test_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    modules = {n for n in names if n.startswith("skxssr/")}
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "skxssr").rglob("*")
        if path.suffix in {".py", ".html", ".css", ".js"} or path.name == "py.typed"
    }
    assert modules == here
    tops = {n.split("/")[0] for n in names} - {"skxssr"}
    assert [top.endswith(".dist-info") for top in tops] == [True]
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert "License-Expression: BSD-3-Clause" in metadata
    for extra in ("torch", "seg", "report", "volumes", "medical", "all"):
        assert f"Provides-Extra: {extra}" in metadata


@pytest.mark.slow
def test_core_alone_runs_the_missions_line_and_agrees_with_scikit_matter(wheel, tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*install, wheel)
    picks = run(python, "-c", MISSION, cwd=tmp_path)
    run(*install, "skmatter", "scikit-learn<1.9")
    assert run(python, "-c", AGAINST_SKMATTER, cwd=tmp_path) == picks
