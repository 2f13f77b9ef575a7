"""The examples run as a newcomer runs them, and what they print and draw is what they claim."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, folder, *arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def arrays_in(text):
    return [np.array(part.split(), dtype=int) for part in re.findall(r"\[([\d\s]+)\]", text)]


def test_pick_22(tmp_path):
    output = run("pick_22.py", tmp_path)
    picks = arrays_in(output)
    assert len(picks) == 2, output
    for rows in picks:
        assert len(set(rows.tolist())) == 22
        assert rows.min() >= 0
        assert rows.max() < 1197
    assert output.count("22 of 1197 rows by XSSRSelector.") == 2
    assert re.search(r"alpha = \S+ has the lowest loss of 11 tried\.", output)
    assert "Novelty had no say: there was no source." in output
    for line in re.findall(r"^ *(?:with a source|without): (.*)$", output, flags=re.M):
        assert sum(int(count) for count in re.findall(r"\d: (\d+)", line)) == 22
    assert not list(tmp_path.iterdir())


def test_pick_22_shows_why(tmp_path):
    pytest.importorskip("pandas", reason="the table needs pandas")
    output = run("pick_22.py", tmp_path)
    header, first = re.search(r"^( *rank.*)\n(.*)$", output, flags=re.M).groups()
    assert header.split() == [
        "rank",
        "index",
        "score",
        "density",
        "novelty",
        "diversity",
        "coverage",
    ]
    assert int(first.split()[1]) == arrays_in(output)[0][0]


def test_xssr_vs_coreset(tmp_path):
    image = pytest.importorskip("matplotlib.image", reason="the picture needs matplotlib")
    output = run("xssr_vs_coreset.py", tmp_path)
    found = re.findall(
        r"^(\w+): (\d+) picks, (\d+) of them outliers; .* mean ([\d.]+), largest ([\d.]+)$",
        output,
        flags=re.M,
    )
    assert [name for name, *_ in found] == ["XSSR", "CoreSet"], output
    (_, n_xssr, far_xssr, mean_xssr, _), (_, n_coreset, far_coreset, mean_coreset, _) = found
    assert n_xssr == n_coreset == "12"
    # the story the picture tells: greedy k-center spends picks on outliers
    assert int(far_xssr) < int(far_coreset)
    assert float(mean_xssr) < float(mean_coreset)

    path = tmp_path / "xssr_vs_coreset.png"
    picture = image.imread(path)[..., :3]
    height, width = picture.shape[:2]
    assert height > 500
    assert width > 1000
    for panel in (picture[:, : width // 2], picture[:, width // 2 :]):
        drawn = (panel < 0.95).any(axis=2)
        assert 0.02 < drawn.mean() < 0.5
        coloured = panel.max(axis=2) - panel.min(axis=2) > 0.3
        assert coloured.mean() > 0.003
        assert len(np.unique((panel * 8).astype(int).reshape(-1, 3), axis=0)) > 50


def test_xssr_vs_coreset_writes_where_told(tmp_path):
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    run("xssr_vs_coreset.py", tmp_path, "--out", "elsewhere.png", "--seed", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere.png"]
