"""The pictures of the XSSR paper: what its network got wrong, beside one with all labels.

    python benchmarks/paper/main.py sheets --data DIR --task cxr|riga|prostate|lgg
        [--budget 5%] [--seeds 3] [--split dev|test] [--fast | --large]

For both forms of XSSR one sheet: test images from the worst Dice to the best, with the prediction
of the network trained on the picks and of the one trained on all labels, both of the first seed of
main.py. These two are trained here, since result files hold no weights. The sheets show
images of the data set: mind its terms before you pass them on.
"""

from typing import Any

import numpy as np

from benchmarks.paper.arms import forms
from benchmarks.paper.main import FORMS
from benchmarks.paper.tasks import AFTER, Setting, embeddings, note_opening, parse_args, prepare
from skxssr.metrics import dice
from skxssr.report import error_sheet

WHERE = {"worst": 0.0, "1st quartile": 0.25, "median": 0.5, "3rd quartile": 0.75, "best": 1.0}


def picks(setting: Setting, form: str) -> np.ndarray:
    """The rows that the first seed of main.py has."""
    source, target = embeddings(setting)[0]
    rows, groups = setting.pool.rows, setting.task.groups
    selector = forms(form)[form].fit(source)
    groups = None if groups is None else groups[rows]
    return np.sort(rows[selector.select(target[rows], setting.budget, groups=groups)])


def predict(setting: Setting, rows: np.ndarray) -> list[np.ndarray]:
    """Masks of the test images by a network trained on some rows."""
    task, segmenter = setting.task, setting.segmenter().set_params(random_state=0)
    segmenter.fit(task.images.subset(rows), task.masks.subset(rows))
    return list(segmenter.predict(task.images.subset(setting.pool.test)))


def spread(scores: np.ndarray) -> dict[str, int]:
    """Images at the quantiles of Dice; those with nothing to find and nothing found are out."""
    order = np.argsort(scores)[: np.isfinite(scores).sum()]
    places = {name: round(share * (len(order) - 1)) for name, share in WHERE.items()}
    return {name: int(order[place]) for name, place in places.items()}


def draw(setting: Setting, form: str, full: list[np.ndarray]) -> Any:
    """One sheet; returns its path."""
    test, task = setting.pool.test, setting.task
    true = task.masks.subset(test)
    ours = predict(setting, picks(setting, form))
    shown = spread(dice(true, ours, empty=np.nan))
    path = setting.args.out / f"{setting.name}_{form.replace(' ', '_')}.png"
    error_sheet(
        task.images.subset(test),
        true,
        {
            f"{form}, {setting.budget} labels": ours,
            f"{AFTER[0]}, {len(setting.pool.rows)}": full,
        },
        path,
        rows=list(shown.values()),
        captions=[f"{name}\n{task.ids[test[row]]}" for name, row in shown.items()],
    )
    return path


def main() -> None:
    setting = prepare(parse_args(__doc__))
    note_opening(setting)
    full = predict(setting, setting.pool.rows)
    for form in FORMS:
        print(draw(setting, form, full))
