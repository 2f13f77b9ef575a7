"""Predicted masks as annotation tools read them, opened by what is not our encoder."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skxssr.io.label_studio import decode_brush
from skxssr.report.exports.predicted import encode_brush, predicted_coco, predicted_label_studio


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 40))))
def test_a_brush_is_what_the_decoder_of_label_studio_reads(mask):
    """The decoder is held to samples of Label Studio's own package in tests/io."""
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), *mask.shape), mask)


def test_a_long_run_is_cut():
    mask = np.zeros((200, 300), dtype=bool)
    mask[150:] = True
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), 200, 300), mask)


def test_tasks_hold_one_region_for_each_class_that_was_drawn(tmp_path):
    mask = np.zeros((10, 12), dtype=np.uint8)
    mask[2:5, 3:9] = 2
    predicted_label_studio(tmp_path / "tasks.json", {"p 1/a.png": mask}, {1: "x", 2: "y"}, "v")
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=p%201/a.png"
    (result,) = task["predictions"][0]["result"]
    assert result["value"]["brushlabels"] == ["y"]
    np.testing.assert_array_equal(decode_brush(result["value"]["rle"], 10, 12), mask == 2)
    assert 'value="x"' in (tmp_path / "label_config.xml").read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pycocotools, called directly
def test_pycocotools_reads_the_file(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    masks = {f"{n}.png": np.random.default_rng(n).integers(0, 3, (9, 14)) for n in range(3)}
    predicted_coco(tmp_path / "c.json", masks, {1: "x", 2: "y"})
    data = coco.COCO(str(tmp_path / "c.json"))
    found = {name: np.zeros((9, 14), int) for name in masks}
    for one in data.loadAnns(data.getAnnIds()):
        name = data.loadImgs(one["image_id"])[0]["file_name"]
        found[name][data.annToMask(one) > 0] = one["category_id"]
        assert one["area"] == (masks[name] == one["category_id"]).sum()
    for name, mask in masks.items():
        np.testing.assert_array_equal(found[name], mask)
