"""The report of a selection: what it says, and that a real browser finds nothing wrong with it."""

import html
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

from skxssr.cli import main
from skxssr.datasets import make_phantoms
from skxssr.report.page import Card, Content, Coverage, Map, Picture, Thumbnails, render_page
from skxssr.workflows.recorded import choice_of, pick_again
from skxssr.workflows.report import report_if_possible, write_report
from skxssr.workflows.report_coverage import losses_after_each
from skxssr.workflows.selection_folder import read_selection_folder
from tests import chromium

pytest.importorskip("bokeh", reason="the report needs the extra report")

HOSTILE = "<img src=x onerror=alert(1)>'\"& $$x^2$$ {{7*7}}.png"
N, BUDGET = 18, 4


@pytest.fixture(scope="module")
def picks(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    for site, n in (("A", 6), ("B", N)):
        films = make_phantoms("chest", site, n, random_state=0, image_size=40)
        for row, image in enumerate(films.images):
            name = HOSTILE if row == 3 else f"p{row // 3}-{row}.png"
            path = root / site / f"<b>ward {row % 2}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    Image.new("L", (40, 40), 0).save(root / "B" / "<b>ward 0" / "black.png")
    out = root / "picks <script>"
    arguments = ["--source", root / "A", "--target", root / "B", "--out", out, "--budget", BUDGET]
    arguments += ["--image-size", 32, "--quiet", "--device", "cpu", "--site-from", "folder"]
    assert main(["select", *map(str, arguments)]) == 0
    return out


@pytest.fixture(scope="module")
def page(picks):
    return (picks / "report.html").read_text(encoding="utf-8")


def text_of(page):
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_it_says_what_the_record_says(picks, page):
    found = read_selection_folder(picks)
    said = text_of(page)
    assert f"Which {BUDGET} images of" in said and "never use them as a test set" in said
    for rank, (name, reason) in enumerate(zip(found.picked_names, found.reasons, strict=True), 1):
        assert f"{rank}. {name}" in said
        assert f"{reason[0].upper()}{reason[1:]}." in said
    assert "black.png" in said and found.record["junk"]["<b>ward 0/black.png"] in said
    assert found.record["command"].startswith("skxssr select --source")
    assert found.record["command"] in said
    for version in found.record["versions"].values():
        assert version in said
    shown = re.findall(r'<img src="(data:image/jpeg;base64,[^"]+)" alt="pick (\d+)', page)
    assert [int(rank) for _, rank in shown] == [*range(1, BUDGET + 1)]


def test_nearest_unpicked_pictures_are_the_nearest(picks, page):
    found = read_selection_folder(picks)
    nearest, distance = found.represented
    for rank, card in enumerate(page.split('<li class="card"')[1:]):
        listed = re.findall(r"<span>(.*?)</span></li>", card.split("</section>")[0], re.DOTALL)
        listed = [html.unescape(name) for name in listed][:6]
        mine = [
            row
            for row in np.argsort(distance, kind="stable")
            if nearest[row] == rank
            and row not in found.picks
            and found.names[row] not in found.record["junk"]
        ]
        assert listed == [found.names[row] for row in mine[:6]]


def test_losses_are_those_of_a_plain_scan():
    X = np.random.default_rng(0).normal(size=(50, 3))
    picks, labeled = np.array([3, 40, 7]), [11, 12]
    for k, loss in enumerate(losses_after_each(X, picks, labeled), 1):
        assert loss == pytest.approx(cdist(X, X[[*labeled, *picks[:k]]]).min(axis=1).mean())


def test_the_record_is_enough_to_pick_again(picks):
    found = read_selection_folder(picks)
    np.testing.assert_array_equal(pick_again(found), found.picks)
    choice = choice_of(found)
    assert choice.budget == BUDGET and choice.sites is not None
    assert found.names.index("<b>ward 0/black.png") not in choice.open_rows()


def test_the_command_writes_it_again_and_says_what_is_missing(picks, page, capsys, tmp_path):
    assert main(["report", str(picks)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert text_of((picks / "report.html").read_text(encoding="utf-8")) == text_of(page)
    moved = tmp_path / "moved"
    moved.mkdir()
    record = json.loads((picks / "selection.json").read_text(encoding="utf-8"))
    (moved / "selection.json").write_text(json.dumps(record | {"target": "/nowhere/at all"}))
    (moved / "embeddings.npz").write_bytes((picks / "embeddings.npz").read_bytes())
    said = []
    path = write_report(moved, on_message=said.append)
    assert said == ["No image is shown: the folder /nowhere/at all is not there any more."]
    assert said[0] in text_of(path.read_text(encoding="utf-8"))
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no selection" in capsys.readouterr().err


def test_without_bokeh_the_selection_is_made_and_the_report_named(
    picks, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "bokeh", None)
    out = tmp_path / "out"
    arguments = ["--target", read_selection_folder(picks).root, "--out", out, "--budget", 2]
    assert main(["select", *map(str, arguments), "--image-size", "32", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "pip install 'skxssr[report]'" in said and f"skxssr report {out}" in said
    assert (out / "selection.csv").exists() and not (out / "report.html").exists()
    assert main(["report", str(out)]) == 2
    assert "pip install 'skxssr[report]'" in capsys.readouterr().err


def test_whatever_goes_wrong_with_the_report_the_selection_stays(picks, monkeypatch):
    def fails(content):
        raise ZeroDivisionError("in a plot")

    monkeypatch.setattr("skxssr.workflows.report.render_page", fails)
    said = []
    assert report_if_possible(picks, said.append) is None
    assert "No report was written (ZeroDivisionError: in a plot)" in said[-1]


def test_10_000_targets_and_500_picks_stay_under_15_megabytes():
    rng = np.random.default_rng(0)
    n, n_picks = 10_000, 500
    small = Thumbnails()
    noise = [small.uri(rng.random((224, 224, 1)), 224) for _ in range(n_picks)]
    assert noise[0] is not None and noise[-1] is None and small.left == 0
    names = [f"patient {row // 10:04d}/a rather long name {row:05d}.png" for row in range(n)]
    points = rng.normal(size=(n, 2))
    curves = rng.random((20, 2 * n_picks))
    content = Content(
        title="", question="", answer=[], junk=[], n_junk=0, copies=[], coverage_text=[],
        counts=[], stability=[], repeat=[],
        cards=[
            Card(rank + 1, Picture(names[rank], noise[rank]), "", [], [], 20)
            for rank in range(n_picks)
        ],
        map=Map(
            points, points, names, rng.integers(0, n_picks, n), points[:n_picks], names[:n_picks],
            (0.5, 0.2),
        ),
        coverage=Coverage(curves[0, :n_picks], curves, curves[:10], curves[0]),
    )  # fmt: skip
    assert 8e6 < len(render_page(content).encode()) < 15e6


@pytest.fixture(scope="module")
def window(picks, page, tmp_path_factory):
    if why := chromium.missing():
        pytest.skip(f"{why}: the report is not looked at in a browser")
    with chromium.browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.open(picks / "report.html")
        opened.wait("return document.documentElement.dataset.ready === 'yes'")
        yield opened


SELECTED = """
const found = {};
for (const doc of Bokeh.documents)
  for (const name of ["targets", "picks", "curve"]) {
    const model = doc.get_model_by_name(name);
    if (model !== null) found[name] = [...model.selected.indices];
  }
return found;
"""


def test_a_browser_finds_no_error_and_asks_for_nothing(window, picks):
    assert window.errors() == []
    assert window.requests() in ([], [(picks / "report.html").resolve().as_uri()])
    drawn = "return [...document.querySelectorAll('.plot')].map(p => p.children.length)"
    assert window.run(drawn) == [1, 1]
    assert window.run("return document.querySelectorAll('main img').length") > BUDGET
    whole = "return [...document.images].every(i => i.naturalWidth > 0 || !i.complete)"
    assert window.run(whole)


def test_names_are_text_and_never_code(window, picks):
    assert window.run("return document.querySelectorAll('img[onerror], b').length") == 0
    names = window.run("return [...document.querySelectorAll('.card')].map(c => c.dataset.name)")
    assert names == read_selection_folder(picks).picked_names
    data = "return Bokeh.documents[0].get_model_by_name('targets').data.name"
    assert window.run(data) == read_selection_folder(picks).names


def test_a_pick_is_highlighted_everywhere_and_said(window, picks):
    found = read_selection_folder(picks)
    window.run("document.querySelectorAll('button.choose')[1].click()")
    selected = window.run(SELECTED)
    rows = np.flatnonzero(found.represented.nearest == 1).tolist()
    assert selected == {"targets": rows, "picks": [1], "curve": [1]}
    said = "return document.getElementById('status').textContent"
    assert window.run(said).startswith(f"Pick 2, {found.picked_names[1]}, is highlighted")
    pressed = "return document.querySelectorAll('[aria-pressed=true]').length"
    assert window.run(pressed) == 1
    window.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    assert window.run(SELECTED) == {"targets": [], "picks": [], "curve": []}
    # from the map: any dot leads to the pick that stands for it
    row = int(np.flatnonzero(found.represented.nearest == 2)[-1])
    select = "Bokeh.documents[0].get_model_by_name('targets').selected.indices = [arguments[0]]"
    window.run(select, row)
    window.wait("return document.querySelector('.card.chosen')?.dataset.rank === '3'")
    assert window.run(SELECTED)["curve"] == [2]
    window.run("document.getElementById('clear').click()")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_follows_the_colours_of_the_system(window, dark):
    window.size(390, 844, dark)
    window.wait("return window.innerWidth === 390")
    assert window.run("return document.documentElement.scrollWidth") <= 390
    colours = "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    ink, paper = (
        sum(map(int, re.findall(r"\d+", colour)[:3])) / 765 for colour in window.run(colours)
    )
    assert (ink > 0.8 and paper < 0.2) if dark else (ink < 0.2 and paper > 0.8)


def test_everything_can_be_reached_by_keyboard_and_has_a_name(window):
    unnamed = """return [...document.querySelectorAll('button, summary, a, img')].filter(e =>
        !(e.getAttribute('aria-label') || e.alt || e.textContent).trim()).length"""
    assert window.run(unnamed) == 0
    assert window.run("return document.documentElement.lang") == "en"
    levels = "return [...document.querySelectorAll('h1,h2,h3')].map(e => +e.tagName[1])"
    headings = window.run(levels)
    assert headings[0] == 1 and all(
        b - a <= 1 for a, b in zip(headings, headings[1:], strict=False)
    )
    assert window.run("return document.querySelectorAll('[tabindex]').length") == 0
    assert window.errors() == []
