"""Every figure that a page takes from the pages of results is there."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ROLE = re.compile(r":result:`([^`]+)`")
MADE = {"_build", "generated", "auto_examples"}
PAGES = [
    path
    for path in sorted(DOCS.rglob("*.rst"))
    if not MADE & {*path.parts} and ROLE.search(path.read_text("utf-8"))
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_figures_of_a_page_are_found(path, monkeypatch):
    pytest.importorskip("docutils", reason="the documentation is built by sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from results import look_up

    for name in ROLE.findall(path.read_text("utf-8")):
        assert re.search(r"\d", look_up(name)), name


def test_what_the_page_of_claims_says_of_the_figures_is_so(monkeypatch):
    pytest.importorskip("docutils", reason="the documentation is built by sphinx")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    from results import look_up

    def numbers(path):
        return [float(one) for one in re.findall(r"[-+]?\d+\.\d+", look_up(path))]

    def dice(row):
        return numbers(f"cxr/{row}/Dice")[0]

    full = dice("cxr_test/all labels")
    shares = [dice(f"cxr_test@22/{who}") / full for who in ("XSSR as described", "random")]
    assert min(shares) > 0.99 and abs(shares[0] - shares[1]) < 0.005
    for path in (
        "cxr/cxr_test@22/XSSR as described/minus CoreSet",
        "cxr/cxr_test@10/XSSR as described/minus CoreSet",
        "study/All report tasks together/Dice minus CoreSet/found",
    ):
        _, low, high = numbers(path)
        assert low < 0 < high
    gain = {
        term: numbers(f"cxr/cxr_test@10/XSSR as described, without {term}/minus random")[0]
        for term in ("diversity", "density", "novelty")
    }
    assert gain["diversity"] < gain["density"] < 0 < gain["novelty"]
    residual = {
        term: numbers(f"cxr/cxr_test@10/XSSR, without {term}/minus random")[0]
        for term in ("diversity", "density")
    }
    assert residual["density"] < 0 < residual["diversity"]
    assert numbers("outlook/Correlation/spread against source/p")[0] > 0.05
