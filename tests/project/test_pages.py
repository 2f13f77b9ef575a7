"""The built pages: their links and formulas, and what the examples print and draw on them.

The fixture `html` builds the documentation once, for all tests that read a page; they stand in one
file because each process of a parallel run would build it again. An example that fails or warns
fails the build, so that the checks here only read what it printed; one runs as a script.
"""

import html as markup
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
RUN = [name for name in EXAMPLES if name.startswith("plot_")]


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The built pages, examples run; built from a copy, to write nothing into the repository."""
    for name in ("pydata_sphinx_theme", "sphinx_gallery", "segmentation_models_pytorch"):
        pytest.importorskip(name, reason="pages and the examples on them need it")
    for name in ("matplotlib", "pandas", "skactiveml"):
        pytest.importorskip(name, reason="examples on the pages need it")
    folder = tmp_path_factory.mktemp("docs")
    ignored = shutil.ignore_patterns("_build", "auto_examples", "generated", "__pycache__")
    shutil.copytree(DOCS, folder / "docs", ignore=ignored)
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=ignored)
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "html"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def page(html, name):
    return (html / f"{name}.html").read_text(encoding="utf-8")


def visible(html, name):
    """The text of a page without its tags."""
    return re.sub(r"<[^>]+>", "", page(html, name)).replace("&quot;", '"').replace("&#39;", "'")


def output(html, name):
    """What the example printed, from its page."""
    page = (html / "auto_examples" / f"{name}.html").read_text(encoding="utf-8")
    parts = re.findall(r'<div class="sphx-glr-script-out.*?<pre>(.*?)</pre>', page, flags=re.S)
    return "\n".join(markup.unescape(re.sub(r"<[^>]+>", "", part)) for part in parts)


def arrays_in(text):
    return [np.array(part.split(), dtype=int) for part in re.findall(r"\[([\d\s]+)\]", text)]


def number(pattern, text):
    return float(re.search(pattern, text).group(1))


def test_formulas_are_drawn_by_the_browser_alone(html):
    method = page(html, "method")
    assert method.count("<math") > 40
    assert "mathjax" not in method.lower()


def test_picture_of_the_method_is_there(html):
    name = "sphx_glr_plot_xssr_vs_coreset_001.png"
    assert name in page(html, "method")
    assert (html / "_images" / name).stat().st_size > 20_000


def test_pages_need_no_network(html):
    loaded = [
        url
        for path in html.rglob("*.html")
        for tag in re.findall(r"<(?:script|link|img)[^>]*>", path.read_text(encoding="utf-8"))
        for url in re.findall(r'(?:src|href)="(https?:[^"]+)"', tag)
    ]
    assert not loaded


def test_help_is_that_of_the_parser(html):
    from skxssr.cli import build_parser

    shown = visible(html, "guide/command_line")
    commands = build_parser()._subparsers._group_actions[0].choices
    options = {
        option
        for command in commands.values()
        for action in command._actions
        for option in action.option_strings
    }
    assert {"--budget", "--embeddings", "--masks"} <= options
    for option in options:
        assert option in shown


def test_root_files_are_pages(html):
    assert "XSSRSelector" in visible(html, "changelog")
    assert "make test" in visible(html, "contributing")
    for name in ("changelog", "contributing"):
        text = visible(html, name)
        assert "``" not in text
        assert "**" not in text
        assert "](" not in text


def test_links_between_the_pages_lead_somewhere(html):
    found = [path for path in html.rglob("*.html") if "_static" not in path.parts]
    pages = {path: path.read_text(encoding="utf-8") for path in found}
    anchors = {path: {*re.findall(r'\bid="([^"]+)"', text)} for path, text in pages.items()}
    broken = []
    for path, text in pages.items():
        for url in re.findall(r'<(?:a|img|link|script)\b[^>]*? (?:href|src)="([^"]+)"', text):
            if re.match(r"[a-z]+:", url):
                continue
            file, _, anchor = unquote(url).partition("#")
            file = (path.parent / file.split("?")[0]).resolve() if file else path
            if not file.exists() or (anchor and anchor not in anchors.get(file, ())):
                broken.append(f"{path.relative_to(html)}: {url}")
    assert not broken


def test_figures_of_the_study_are_read_from_the_pages_of_results(html):
    committed = (DOCS / "results" / "cxr.md").read_text(encoding="utf-8")
    report = committed[committed.index("## contradicting_masks") :]
    row = next(line for line in report.splitlines() if line.startswith("| MaxHerding "))
    shown = visible(html, "choosing")
    for cell in [cell.strip() for cell in row.split("|")][2:6]:
        assert cell in shown


def test_every_example_has_its_place_and_its_page(html, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    from gallery import ORDER

    assert sorted(Path(name).stem for name in ORDER) == EXAMPLES
    contents = (html / "auto_examples" / "index.html").read_text(encoding="utf-8")
    places = [contents.index(f'href="{Path(name).stem}.html') for name in ORDER]
    assert places == sorted(places)


@pytest.mark.parametrize("name", RUN)
def test_has_a_figure_worth_looking_at(html, name):
    image = pytest.importorskip("matplotlib.image", reason="the pictures need matplotlib")
    pictures = sorted((html / "_images").glob(f"sphx_glr_{name}_*[0-9].png"))
    assert pictures
    for path in pictures:
        picture = image.imread(path)[..., :3]
        height, width = picture.shape[:2]
        assert 600 <= width <= 1200
        assert height >= 300
        drawn = (picture < 0.95).any(axis=2)
        assert drawn.mean() > 0.02
        assert len(np.unique((picture * 8).astype(int).reshape(-1, 3), axis=0)) > 7


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - set(RUN)))
def test_what_needs_another_environment_is_only_shown(html, name):
    assert not output(html, name)
    page = (html / "auto_examples" / f"{name}.html").read_text(encoding="utf-8")
    assert "shown, not run here" in page


def test_runs_as_a_script(tmp_path):
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "plot_alpha.py"],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    counts = [int(n) for n in re.findall(r"alpha = \S+: (\d+) of 15 picks", done.stdout)]
    assert len(counts) == 3
    assert counts == sorted(counts)  # the larger alpha, the more picks away from the source
    assert counts[0] < counts[-1]
    assert not list(tmp_path.iterdir())


def test_pick_22(html):
    text = output(html, "plot_pick_22")
    picks = arrays_in(text)
    assert len(picks) == 2, text
    for rows in picks:
        assert len(set(rows.tolist())) == 22
        assert rows.min() >= 0
        assert rows.max() < 1197
    assert "22 of 1197 rows by XSSRSelector." in text
    assert re.search(r"alpha = \S+ has the lowest loss of 11 tried\.", text)
    lines = re.findall(r"^ *(?:with a source|without a source|at random): (.*)$", text, flags=re.M)
    counts = [[int(n) for n in re.findall(r"\d: (\d+)", line)] for line in lines]
    assert [sum(line) for line in counts] == [22, 22, 22]
    assert np.all(counts)  # "all three choices hold every digit"
    header, first = re.search(r"^( *rank.*)\n(.*)$", text, flags=re.M).groups()
    assert header.split() == [
        "rank",
        "index",
        "score",
        "density",
        "novelty",
        "diversity",
        "coverage",
    ]
    assert int(first.split()[1]) == picks[1][0]


def test_xssr_vs_coreset(html):
    found = re.findall(
        r"^([\w-]+): 12 picks, (\d+) of them outliers; .* mean ([\d.]+), largest ([\d.]+)$",
        output(html, "plot_xssr_vs_coreset"),
        flags=re.M,
    )
    outliers = {name: int(far) for name, far, *_ in found}
    mean = {name: float(value) for name, _, value, _ in found}
    radius = {name: float(value) for name, *_, value in found}
    assert list(mean) == ["XSSR", "CoreSet", "k-medoids", "random"]
    assert outliers["XSSR"] < outliers["CoreSet"] == 5
    assert min(radius, key=radius.get) == "CoreSet"
    assert min(mean, key=mean.get) == "k-medoids"
    assert mean["k-medoids"] < mean["XSSR"] < 0.7 * mean["CoreSet"]


def test_mae_sees_looks(html):
    text = output(html, "plot_mae")
    assert number(r"([\d.]+) at the end", text) < 0.8 < number(r"loss ([\d.]+) at first", text)
    share = {
        name: float(value) for name, value in re.findall(r"^ *([a-z ]+): ([\d.]+)$", text, re.M)
    }
    assert share["brightness"] < 0.6
    assert share["contrast"] < 0.8
    assert share["kind of patient"] > 0.85  # "hardly matters to this network"


def test_patients(html):
    text = output(html, "plot_patients")
    found = {
        name: (int(patients), int(most), int(lesions))
        for name, patients, most, lesions in re.findall(
            r"^(.+): (\d+) patients, at most (\d+) slices of one;\n +(\d+) of 20", text, re.M
        )
    }
    n_patients = number(r"160 slices of (\d+) patients", text)
    assert found["no groups"][0] < found["groups"][0] == n_patients
    assert found["groups"][1] == found["fixed intervals"][1] == 2
    assert found["six patients, at most 4 each"][:2] == (6, 4)
    assert abs(found["fixed intervals"][2] - found["groups"][2]) <= 2
    assert "Lower the budget to 24 or less." in text


def test_continue(html):
    text = output(html, "plot_continue")
    loss = dict(re.findall(r"^(.+): \d+ picks are .* loss of all labels ([\d.]+)$", text, re.M))
    assert float(loss["labeled=..."]) < float(loss["random"])
    assert float(loss["as if nothing were labelled"]) < float(loss["random"])
    assert "as if nothing were labelled: 0 picks" not in text
    assert "labeled=...: 0 picks are labelled already" in text
    sittings = np.concatenate(arrays_in(text))
    assert len(set(sittings.tolist())) == 15


def test_warm_segmentation(html):
    text = output(html, "plot_warm_segmentation")
    start = number(r"cold start: 3 films, Dice x 100 = ([\d.]+)", text)
    curves = re.findall(r"^([A-Za-z ]+?) +([\d.]+) +([\d.]+) +([\d.]+)$", text, re.M)
    names = {"entropy", "BALD", "BADGE", "learning loss", "XSSR alone", "random"}
    assert {name for name, *_ in curves} == names
    assert {float(first) for _, first, *_ in curves} == {start}
    # nine labels are better than three, whoever chose them; which is best is not claimed
    assert np.mean([float(last) for *_, last in curves]) > start


def test_million(html):
    text = output(html, "plot_million")
    visited, by_chance = re.search(r"visited: (\d+) by XSSR, ([\d.]+) at random", text).groups()
    assert int(visited) > 1.2 * float(by_chance)
    assert "demand_sampled: True" in text


def test_pipeline(html):
    dice = re.findall(r"^(.+): mean Dice ([\d.]+)", output(html, "plot_pipeline"), re.M)
    assert [name for name, _ in dice] == ["XSSR", "random 1", "random 2"]
    assert all(float(value) > 0.7 for _, value in dice)


def test_when_not(html):
    blocks = re.split(r"^(.+): Dice x 100.*$", output(html, "plot_when_not"), flags=re.M)[1:]
    gains = {
        situation: {
            name: [float(value) for value in values.split(" / ")]
            for name, values in re.findall(r"^ +([\w ]+): (.*)$", lines, flags=re.M)
        }
        for situation, lines in zip(blocks[::2], blocks[1::2], strict=True)
    }
    alike, many = gains["most patients alike"], gains["many kinds of patients"]
    rare, noise = gains["a rare kind"], gains["embedding of noise"]
    assert min(alike["XSSR"] + alike["MaxHerding"]) > 0
    assert max(alike["CoreSet"] + alike["density alone"]) < 0
    assert max(many["CoreSet"][1:] + many["density alone"]) < 0
    assert many["CoreSet"][0] < 0.3 < many["XSSR"][0]
    assert many["XSSR"][0] > many["XSSR"][-1]
    assert many["XSSR"][-1] < 0.3
    assert rare["XSSR"][1] < 0.3
    assert all(values[-1] < 0 for values in rare.values())
    assert max(abs(values[1]) for values in noise.values()) < 0.6
