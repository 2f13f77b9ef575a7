"""Masks from Label Studio and COCO files are what the tools' own packages make of them."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from skxssr.cli import main
from skxssr.io import read_mask
from skxssr.io.annotations_file import annotated_images, masks_from_file
from skxssr.io.label_studio import decode_brush
from skxssr.workflows.labels import labeled_rows

SAMPLES = Path(__file__).with_name("samples")


def write_images(root, names, size=(40, 30)):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(size, 90, np.uint8)).save(root / name)
    return [root / name for name in names]


def written(path, images, root, out):
    said = []
    masks_from_file(path, images, root, out, said.append)
    return {p.relative_to(out).as_posix(): read_mask(p) for p in sorted(out.rglob("*.png"))}, said


def save(tmp_path, value, name="export.json"):
    path = tmp_path / name
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("name", sorted(p.stem for p in SAMPLES.glob("brush_*.json")))
def test_a_brush_is_what_the_package_of_label_studio_encoded(name):
    """The samples and the masks beside them were made by label_studio_sdk.converter.brush."""
    sample = json.loads((SAMPLES / f"{name}.json").read_text())
    with Image.open(SAMPLES / f"{name}.png") as picture:
        expected = np.array(picture) > 0
    found = decode_brush(sample["rle"], *expected.shape)
    np.testing.assert_array_equal(found, expected)


def brush(label, rle, size=(40, 30)):
    value = {"format": "rle", "rle": rle, "brushlabels": [label]}
    where = {"original_height": size[0], "original_width": size[1], "image_rotation": 0}
    return {"type": "brushlabels", "value": value, **where}


def polygon(label, points, size=(40, 30)):
    value = {"points": points, "polygonlabels": [label]}
    where = {"original_height": size[0], "original_width": size[1]}
    return {"type": "polygonlabels", "value": value, **where}


def task(image, *results, **more):
    done = {"result": list(results), "was_cancelled": False, "updated_at": "2026-01-02"}
    return {"id": 1, "data": {"image": image}, "annotations": [done]} | more


def test_an_export_of_label_studio_becomes_masks_beside_the_names_of_the_images(tmp_path):
    root = tmp_path / "images"
    images = write_images(root, ["p1/a.png", "p2/a.png", "b.png", "c.png", "d.png"])
    sample = json.loads((SAMPLES / "brush_disk.json").read_text())["rle"]
    square = [[10, 10], [50, 10], [50, 60], [10, 60]]
    old = {"result": [polygon("lung", [[0, 0], [9, 0], [9, 9]])], "updated_at": "2026-01-01"}
    tasks = [
        task("/data/local-files/?d=films/p1/a.png", brush("lung", sample)),
        task("http://host/files/p2/a.png", polygon("heart", square), polygon("lung", square[:3])),
        task("/data/upload/3/0a1b2c3d-b.png", file_upload="0a1b2c3d-b.png"),
        {"id": 9, "data": {"image": "c.png"}, "annotations": []},
        task("d.png", polygon("lung", square)),
    ]
    tasks[-1]["annotations"].insert(0, old)
    tasks[-1]["annotations"].append({"result": [], "was_cancelled": True, "updated_at": "2027"})
    found, said = written(save(tmp_path, tasks), images, root, tmp_path / "masks")
    assert list(found) == ["b.png", "d.png", "p1/a.png", "p2/a.png"]
    with Image.open(SAMPLES / "brush_disk.png") as disk:
        np.testing.assert_array_equal(found["p1/a.png"], 2 * (np.array(disk) > 0))
    assert found["b.png"].max() == 0  # somebody looked, and drew nothing
    # 40% of 30 columns and 50% of 40 rows; edges may take a row more or less
    assert found["d.png"].sum() / 2 == pytest.approx(12 * 20, rel=0.15)
    assert set(np.unique(found["p2/a.png"])) == {0, 1, 2}
    assert "4 annotated images; values of the masks: 1 = heart, 2 = lung" in said[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pycocotools, called directly
def test_a_coco_file_is_what_pycocotools_makes_of_it(tmp_path):
    coco, tools = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.mask")
    root = tmp_path / "images"
    images = write_images(root, ["a.png", "sub/b.png", "c.png"])
    rng = np.random.default_rng(0)
    blob = np.asfortranarray(rng.random((40, 30)) > 0.6, dtype=np.uint8)
    packed = tools.encode(blob)
    packed["counts"] = packed["counts"].decode()
    plain = {"size": [40, 30], "counts": [300, 200, 700]}
    drawn = [
        (1, 3, [[2.0, 3.0, 20.5, 3.0, 20.5, 30.0, 2.0, 30.0], [22, 1, 29, 1, 29, 9]]),
        (2, 7, packed),
        (2, 3, plain),
    ]
    data = {
        "images": [
            {"id": i, "file_name": name, "height": 40, "width": 30}
            for i, name in enumerate(["a.png", "sub/b.png", "c.png"], start=1)
        ],
        "categories": [{"id": 3, "name": "lung"}, {"id": 7, "name": "heart"}],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "segmentation": s, "iscrowd": 0}
            for n, (i, c, s) in enumerate(drawn)
        ],
    }
    path = save(tmp_path, data)
    found, _ = written(path, images, root, tmp_path / "masks")
    theirs = coco.COCO(str(path))
    expected = {"a.png": np.zeros((40, 30)), "sub/b.png": np.zeros((40, 30))}
    for one in theirs.loadAnns(theirs.getAnnIds()):
        name = theirs.loadImgs(one["image_id"])[0]["file_name"]
        expected[name][theirs.annToMask(one) > 0] = one["category_id"]
    assert list(found) == list(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_a_damaged_brush_is_an_error_and_nothing_else(data):
    with contextlib.suppress(ValueError):
        assert decode_brush(list(data), 4, 5).shape == (4, 5)


def coco_of(**changes):
    segmentation = [[2, 3, 20, 3, 20, 30]]
    base = {
        "images": [{"id": 1, "file_name": "a.png", "height": 40, "width": 30}],
        "categories": [{"id": 1, "name": "lung"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "segmentation": segmentation}],
    }
    return base | changes


def annotation(**changes):
    return [coco_of()["annotations"][0] | changes]


SQUARE = [[10, 10], [50, 10], [50, 60]]
BAD = {
    "../a.png leads out of its folder": [task("../a.png", polygon("x", SQUARE))],
    r"x\.png\): names are compared without suffix": [task("x.png", polygon("x", SQUARE))],
    "a.png is annotated twice": [task("a.png"), task("/other/a.png")],
    "holds a rectangle: masks are brush or polygon": [
        task("a.png", polygon("x", SQUARE) | {"type": "rectanglelabels"})
    ],
    "annotated on a rotated image": [task("a.png", polygon("x", SQUARE) | {"image_rotation": 90})],
    "not JSON-MIN": [{"image": "a.png", "tag": []}],
    "a brush ends too early": [task("a.png", brush("x", [0, 0, 18, 192, 57]))],
    "a brush holds 100 values, an image of 30 x 40 has 4800": [
        task("a.png", brush("x", [0, 0, 0, 100, 57, 0, 0, 0]))
    ],
    "annotated with 33 x 44 pixels, and has 30 x 40": [
        task("a.png", polygon("x", SQUARE, size=(44, 33)))
    ],
    "no image in it is annotated": [{"data": {"image": "a.png"}, "annotations": []}],
    "neither an export of Label Studio": {"shapes": []},
    "it lacks categories": {"images": [], "annotations": []},
    "a box without a segmentation": coco_of(annotations=annotation(segmentation=[])),
    "unknown category 4": coco_of(annotations=annotation(category_id=4)),
    r"images that it does not list: \[9\]": coco_of(annotations=annotation(image_id=9)),
    "annotation 5 cannot be decoded": coco_of(
        annotations=annotation(segmentation={"size": [40, 30], "counts": [7]})
    ),
    "it is damaged": coco_of(annotations=[{"id": 5}]),
}


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_used_is_named(tmp_path, message):
    images = write_images(tmp_path / "images", ["a.png"])
    path = save(tmp_path, BAD[message])
    with pytest.raises(ValueError, match=message) as error:
        masks_from_file(path, images, tmp_path / "images", tmp_path / "m", lambda text: None)
    assert str(path) in str(error.value)


def test_no_json_is_said(tmp_path):
    path = tmp_path / "export.json"
    path.write_text("file,mask\n")
    with pytest.raises(ValueError, match="it is no JSON"):
        annotated_images(path, [], tmp_path)


@pytest.mark.parametrize(
    "name", ["002_b.png", "0a1b2c3d-002_b.png", "s3://bucket/x/002_b.png", "b", "images/b.jpeg"]
)
def test_names_that_tools_and_the_export_gave_are_found(tmp_path, name):
    images = write_images(tmp_path, ["p1/a.png", "b.png"])
    found = annotated_images(save(tmp_path, [task(name)]), images, tmp_path)
    assert list(found) == [images[1]]


def test_a_slice_that_was_exported_is_found_by_its_number(tmp_path):
    volume = tmp_path / "scan.nii.gz"
    volume.touch()
    images = [Path(f"{volume}#axial={number}") for number in (3, 12)]
    found = annotated_images(save(tmp_path, [task("001_scan_axial12.png")]), images, tmp_path)
    assert list(found) == [images[1]]


def test_two_images_of_one_name_need_their_folder(tmp_path):
    images = write_images(tmp_path, ["p1/a.png", "p2/a.png"])
    path = save(tmp_path, [task("a.png")])
    with pytest.raises(ValueError, match="may be any of"):
        annotated_images(path, images, tmp_path)


def test_training_takes_an_export_and_the_next_batch_knows_what_is_labelled(tmp_path, capsys):
    images = write_images(tmp_path / "images", [f"{name}.png" for name in "abcde"])
    for row, path in enumerate(images):
        pixels = np.random.default_rng(row).integers(40, 90, (40, 30)).astype(np.uint8)
        pixels[4:24, 3:15] += 80
        Image.fromarray(pixels).save(path)
    tasks = [task(f"{name}.png", polygon("lung", [*SQUARE, [10, 60]])) for name in "abd"]
    path = save(tmp_path, tasks)
    common = ["--images", tmp_path / "images", "--masks", path, "--device", "cpu", "--quiet"]
    given = [*common, "--out", tmp_path / "model", "--steps", 2, "--image-size", 32]
    assert main(["train", *map(str, given)]) == 0
    assert "3 of 5 images have a mask" in capsys.readouterr().out
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    assert record["n_trained_on"] == 3 and record["masks"] == str(path.resolve())
    assert main(["train", *map(str, given)]) == 0  # the same masks: nothing is left to do
    assert "nothing was left to do" in capsys.readouterr().out
    names = [f"{name}.png" for name in "abcde"]
    assert labeled_rows(path, names).tolist() == [0, 1, 3]
