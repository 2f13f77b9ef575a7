"""Exports for annotation tools: in pick order, harmless names, read by somebody else's code."""

import csv
import json
import os
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from skxssr import XSSRSelector
from skxssr.cli import main
from skxssr.io import read_image, take_inventory
from skxssr.report.exports import ordered_name
from skxssr.workflows.export import FORMATS, export_selection
from skxssr.workflows.represented import find_represented, reasons_of
from skxssr.workflows.selection_folder import read_selection_folder, write_selection_folder

HOSTILE = "=cmd|'<&\">…\n%2e%2e 胸.png"
NAMES = ["p1/film.png", "p2/film.png", HOSTILE, "deep.tif", "film.JPG", "a" * 240 + ".png"]
LABELS = ("lung", 'left & <right> "x"')


def make(root, names=NAMES, save=None):
    """A finished selection of all images of a folder."""
    rng = np.random.default_rng(0)
    for row, name in enumerate(names):
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8 + row, 12), dtype=np.uint8)
        if name.endswith(".tif"):
            pixels = pixels.astype(np.uint16) * 257
        if save is None:
            Image.fromarray(pixels).save(path)
    if save is not None:
        save(root / "images")
    X = rng.normal(size=(len(names), 4)).astype(np.float32)
    selection = XSSRSelector().select(X, len(names), return_selection=True)
    represented = find_represented(None, X, selection.indices)
    out = root / "picks"
    out.mkdir()
    write_selection_folder(
        out,
        selection,
        names=names,
        groups=[f"@{name[:2]}" for name in names],
        reasons=reasons_of(represented, len(names)),
        represented=represented,
        target_embeddings=X,
        source_embeddings=None,
        source_names=[],
        about={"target": str(root / "images"), "budget": len(names)},
    )
    return out


@pytest.fixture
def picks(tmp_path):
    return make(tmp_path)


def order(folder):
    with (folder / "order.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def pictures(folder, to):
    return folder if to == "monai-label" else folder / "images"


@pytest.mark.parametrize("to", FORMATS)
def test_pictures_are_those_of_the_picks_in_order(picks, to, tmp_path):
    found = read_selection_folder(picks)
    export = export_selection(picks, to, labels=LABELS, out=tmp_path / "out" / to)
    rows = order(export.folder)
    assert [int(row["rank"]) for row in rows] == [*range(1, len(NAMES) + 1)]
    names = [row["file"] for row in rows]
    assert names == sorted(names) and [item.original for item in export.items] == found.picked_names
    assert [row["reason"] for row in rows] == found.reasons
    assert not any(cell[:1] in "=+-@" for row in rows for cell in row.values())
    for row, item, path in zip(rows, export.items, found.files, strict=True):
        shown = read_image(pictures(export.folder, to) / row["file"])
        original = read_image(path)
        assert shown.shape[:2] == original.shape[:2] == (item.height, item.width)
        if path.suffix == ".png":
            np.testing.assert_array_equal(shown, original)
        elif path.suffix == ".tif" and to != "monai-label":  # 16 bits, drawn as 8
            np.testing.assert_array_equal(shown, np.rint(original / 257).astype(np.uint8))


@pytest.mark.parametrize("to", FORMATS)
def test_nothing_is_written_outside_and_nothing_twice(picks, to, tmp_path):
    before = {path for path in tmp_path.rglob("*") if picks not in path.parents}
    folder = export_selection(picks, to).folder
    assert {path for path in tmp_path.rglob("*") if picks not in path.parents} == before
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        export_selection(picks, to)
    if to == "masks":
        (folder / "masks" / "001_film.png").write_text("drawn")
    (pictures(folder, to) / "mine.png").write_text("kept")
    again = export_selection(picks, to, force=True)
    assert (pictures(folder, to) / "mine.png").read_text() == "kept"
    assert to != "masks" or (folder / "masks" / "001_film.png").read_text() == "drawn"
    assert len({item.file for item in again.items}) == len(NAMES)


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/passwd.png", "..\\..\\x.png", "/etc/x.png", "..png", "a\x00b.png", "CON.png"),
        *("\ud800.png", "-rf.png", "$(x)`y`;.png", "%2e%2e%2f.png", " .png", "\u202egnp.exe.png"),
    ],
)
def test_names_stay_in_their_folder(name):
    found = ordered_name(7, 22, name, ".png")
    assert found.startswith("007_") and found.endswith(".png") and found.isprintable()
    assert not set(found) & set("/\\:*?\"<>|$`;%&'\n\0") and found.encode()
    assert len(ordered_name(1, 12345, "胸" * 300, ".nii.gz").encode()) < 255


def test_coco_is_read_by_pycocotools(picks):
    coco = pytest.importorskip("pycocotools.coco", reason="the extra coco")
    folder = export_selection(picks, "coco", labels=LABELS).folder
    data = coco.COCO(folder / "annotations" / "instances_default.json")
    found = read_selection_folder(picks)
    images = data.loadImgs(sorted(data.getImgIds()))
    assert [image["reason"] for image in images] == found.reasons
    assert [category["name"] for category in data.loadCats(data.getCatIds())] == [*LABELS]
    for image in images:
        with Image.open(folder / "images" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])


def test_cvat_and_label_studio_are_well_formed_whatever_the_names(picks):
    found = read_selection_folder(picks)
    cvat = export_selection(picks, "cvat", labels=LABELS).folder
    root = ElementTree.parse(cvat / "annotations.xml").getroot()
    images = root.findall("image")
    assert [image.get("name") for image in images] == [row["file"] for row in order(cvat)]
    said = [[a.text for a in image.find("tag")] for image in images]
    assert [int(rank) for rank, *_ in said] == [*range(1, len(NAMES) + 1)]
    assert [reason for _, reason, _ in said] == found.reasons
    assert [label["name"] for label in json.loads((cvat / "labels.json").read_text("utf-8"))] == [
        *LABELS,
        "pick",
    ]
    studio = export_selection(picks, "label-studio", labels=LABELS).folder
    view = ElementTree.parse(studio / "label_config.xml").getroot()
    assert [label.get("value") for label in view.iter("Label")] == [*LABELS]
    tasks = json.loads((studio / "tasks.json").read_text("utf-8"))
    assert [task["data"]["rank"] for task in tasks] == [*range(1, len(NAMES) + 1)]
    assert [task["data"]["reason"] for task in tasks] == found.reasons
    assert {task["data"]["patient"] for task in tasks} == {*found.picked_groups}


def test_links_are_links_and_contact_sheets_are_no_images(picks):
    folder = export_selection(picks, "images", link=True).folder
    found = read_selection_folder(picks)
    links = [folder / "images" / row["file"] for row in order(folder)]
    for link, file in zip(links, found.files, strict=True):
        if link.suffix != ".png" or file.suffix == ".png":
            assert link.is_symlink() and link.resolve() == file.resolve()
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.size[0] > 1000
    assert len(take_inventory(folder / "images").images) >= len(NAMES)


def volumes(folder):
    nibabel = pytest.importorskip("nibabel", reason="the extra volumes")
    values = np.random.default_rng(1).normal(100, 30, (6, 5, 4)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / "scan.nii.gz")


def test_slices_of_volumes_have_a_picture_beside(tmp_path):
    picks = make(tmp_path, [f"scan.nii.gz#axial={k}" for k in range(4)], volumes)
    said = []
    folder = export_selection(picks, "images", on_message=said.append).folder
    names = sorted(path.name for path in (folder / "images").iterdir())
    assert len([name for name in names if name.endswith(".nii.gz")]) == 1  # the file, once
    assert len([name for name in names if name.endswith(".png")]) == 4
    assert "4 of 4 pictures are drawn as PNG of 8 bits beside the files" in said[0]
    monai = export_selection(picks, "monai-label").folder
    assert [path.name for path in monai.glob("*.*") if path.suffix == ".gz"] == [names[0]]
    assert {row["file"] for row in order(monai)} == {names[0]}
    coco = export_selection(picks, "coco").folder
    assert all(row["file"].endswith(".png") for row in order(coco))


def test_the_commands(picks, capsys):
    assert main(["export", str(picks), "--to", "label-studio", "--labels", "lung"]) == 0
    assert "README.txt" in capsys.readouterr().out
    assert main(["export", str(picks), "--to", "label-studio"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["export", str(picks), "--to", "masks", "--labels", "a,a"]) == 2
    assert "--labels must be different names" in capsys.readouterr().err
    found = read_selection_folder(picks)
    os.remove(found.files[0])
    assert main(["export", str(picks), "--to", "coco"]) == 2
    assert "not there any more" in capsys.readouterr().err
    record = json.loads((picks / "selection.json").read_text())
    (picks / "selection.json").write_text(json.dumps(record | {"target": None}))
    assert main(["export", str(picks), "--to", "coco"]) == 2
    assert "made from embeddings alone" in capsys.readouterr().err


def test_select_copies_and_continue_adds_links(tmp_path, capsys):
    make(tmp_path)
    out = tmp_path / "new"
    arguments = ["select", "--target", tmp_path / "images", "--out", out, "--budget", 2]
    arguments = [
        *map(str, arguments),
        "--image-size",
        "32",
        "--quiet",
        "--no-report",
        "--keep-junk",
    ]
    assert main(arguments) == 0
    assert not (out / "images").exists()
    assert main([*arguments, "--link", "--continue"]) == 0
    assert "is kept as it is" in capsys.readouterr().out
    assert len(order(out)) == 2 and len(list((out / "images").iterdir())) >= 2
    assert main([*arguments, "--copy", "--force"]) == 0
    assert not any(path.is_symlink() for path in (out / "images").iterdir())
    assert main(["select", "--embeddings", "x.npz", "--out", "y", "--budget", "1", "--copy"]) == 2
    assert "--copy and --link need the images" in capsys.readouterr().err
