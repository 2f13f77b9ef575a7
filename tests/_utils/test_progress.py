"""Progress bars: a widget in a notebook, text elsewhere, and what stays on the screen."""

import io
import sys

import pytest

from skxssr._utils.progress import progress, progress_bar

pytest.importorskip("tqdm")


@pytest.mark.parametrize(
    ("verbose", "stays", "left"), [(1, False, False), (1, True, True), (2, False, True)]
)
def test_a_bar_that_stays_shows_its_last_values(monkeypatch, verbose, stays, left):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(3, "training", verbose=verbose, stays=stays) as bar:
        for loss in (0.5, 0.25, 0.125):
            bar.set_postfix(loss=loss, refresh=False)
            bar.update()
    last = stream.getvalue().split("\r")[-1]
    assert ("training: 100%" in last and "loss=0.125" in last) is left


def test_silence(capsys):
    assert list(progress(range(3), "quiet", verbose=0)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_tqdm_chooses_between_a_widget_and_text(monkeypatch):
    import tqdm.auto

    made = []
    monkeypatch.setattr(tqdm.auto, "tqdm", lambda **given: made.append(given))
    progress_bar(3, "x", verbose=1, unit="row")
    assert [(given["total"], given["desc"], given["unit"]) for given in made] == [(3, "x", "row")]
