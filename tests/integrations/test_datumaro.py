"""Exports for CVAT and COCO, read by datumaro, which knows both formats.

Runs where it is:
`python -m tests.environments datumaro -m pytest tests/integrations/test_datumaro.py`.
"""

import pytest

from skxssr.workflows.export import export_selection
from skxssr.workflows.selection_folder import read_selection_folder
from tests.workflows.test_export import LABELS, NAMES, make

datumaro = pytest.importorskip(
    "datumaro", reason="datumaro has an environment of its own: tests/environments.py"
)


def test_cvat_annotations_have_rank_reason_and_name(tmp_path):
    picks = make(tmp_path)
    found = read_selection_folder(picks)
    export = export_selection(picks, "cvat", labels=LABELS)
    data = datumaro.Dataset.import_from(str(export.folder), "cvat")
    assert [label.name for label in data.categories()[datumaro.AnnotationType.label]] == [
        *LABELS,
        "pick",
    ]
    items = sorted(data, key=lambda item: item.attributes["frame"])
    assert [item.id for item in items] == [item.file.rsplit(".", 1)[0] for item in export.items]
    for item, ours, reason in zip(items, export.items, found.reasons, strict=True):
        (tag,) = item.annotations
        assert int(tag.attributes["rank"]) == ours.rank and tag.attributes["reason"] == reason
        assert item.media.size == (ours.height, ours.width)
    assert len(items) == len(NAMES)


def test_coco_has_the_same_images(tmp_path):
    picks = make(tmp_path)
    export = export_selection(picks, "coco", labels=LABELS)
    data = datumaro.Dataset.import_from(str(export.folder), "coco")
    assert {item.attributes["id"] for item in data} == {item.rank for item in export.items}
    names = [label.name for label in data.categories()[datumaro.AnnotationType.label]]
    assert set(LABELS) <= set(names)
