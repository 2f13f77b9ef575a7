"""Copies on one side of a split, junk on none, patients from tags, and files without an end."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from skxssr.cli import main
from skxssr.datasets import make_phantoms
from skxssr.exceptions import ImageReadError
from skxssr.holdout import read_test_set, split_folder
from skxssr.holdout.sides import on_one_side
from skxssr.io import find_unreadable, list_slices, read_image, read_mask, take_inventory
from skxssr.workflows.labelled import who_is_who

RNG = np.random.default_rng(0)
FILMS = make_phantoms("chest", "A", 16, random_state=0, image_size=48).images


@pytest.fixture
def site(tmp_path):
    """Sixteen films, two of them twice, one of them nearly so, and a black one."""
    folder = tmp_path / "B"
    folder.mkdir()
    for i, film in enumerate(FILMS):
        Image.fromarray(film).save(folder / f"p{i // 2}_{i:02d}.png")
    Image.fromarray(FILMS[0]).save(folder / "p8_copy.tif")
    Image.fromarray(FILMS[5]).save(folder / "p9_copy.png")
    Image.fromarray(FILMS[9]).save(folder / "p7_near.jpg", quality=80)
    Image.fromarray(np.zeros_like(FILMS[0])).save(folder / "p3_black.png")
    return folder


def sides(out, name):
    return [part for part in ("test", "pool") if name in (out / f"{part}.txt").read_text().split()]


@pytest.mark.parametrize("pattern", [None, "^(p[0-9]+)_"])
def test_copies_are_on_one_side_and_junk_is_never_drawn(site, tmp_path, pattern):
    aside = set()
    for seed in range(8):
        out = tmp_path / f"split{seed}"
        said = []
        reserved = split_folder(
            site, 6, out, group_pattern=pattern, random_state=seed, on_message=said.append
        )
        assert read_test_set(out) == reserved
        assert not {"p3_black.png", "p8_copy.tif", "p9_copy.png"} & reserved.images.keys()
        pairs = [("p0_00.png", "p8_copy.tif"), ("p2_05.png", "p9_copy.png")]
        for film, copy in pairs:
            drawn = film in reserved.images
            assert (copy in reserved.set_aside) == drawn
            assert sides(out, copy) == ([] if drawn else ["pool"])
        if pattern is None:  # else patients are who is told, and a near copy is another picture
            assert sides(out, "p4_09.png") == sides(out, "p7_near.jpg")
        else:
            black = {"p3_06.png", "p3_07.png"} & reserved.images.keys()
            assert ("p3_black.png" in reserved.set_aside) == bool(black)
        assert any("clusters" in text for text in said)
        aside |= reserved.set_aside.keys()
    assert {"p8_copy.tif", "p9_copy.png"} <= aside


def test_what_is_set_aside_is_not_selected_and_keep_junk_draws_it(site, tmp_path):
    for seed in range(20):
        reserved = split_folder(site, 6, tmp_path / f"split{seed}", random_state=seed)
        if reserved.set_aside:
            break
    # under another name it is the same image
    name = next(iter(reserved.set_aside))
    os.rename(site / name, site / f"moved{name[-4:]}")
    arguments = ["select", "--target", site, "--budget", 3, "--out", tmp_path / "out", "--quiet"]
    assert main([*map(str, arguments), "--exclude-test", str(reserved.folder)]) == 0
    record = json.loads((tmp_path / "out" / "selection.json").read_text())
    left_out = {os.path.basename(path) for path in record["test_set"]["left_out"]}
    assert {f"moved{name[-4:]}", *reserved.images} <= left_out
    kept = split_folder(site, 17, tmp_path / "all", group_pattern="^(..)", keep_junk=True)
    assert not kept.set_aside


def test_a_folder_of_junk_alone_is_refused(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((20, 20), 9 * i, np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(ValueError, match="one value in all|same value in all its pixels"):
        split_folder(tmp_path, 1, tmp_path / "split")


def test_groups_that_share_a_cluster_are_one():
    files = list("abcdef")
    assert on_one_side(files, None, []) is None
    assert on_one_side(files, list("112233"), []) == list("112233")
    merged = on_one_side(files, list("112233"), [["a", "d"], ["c", "b"]])
    assert len(set(merged[:4])) == 1 and merged[4] == merged[5] != merged[0]
    alone = on_one_side(files, None, [["a", "c"], ["c", "f"]])
    assert alone[0] == alone[2] == alone[5] and len(set(alone)) == 4


def test_compare_keeps_copies_together_and_leaves_junk_out(site, tmp_path, capsys):
    inventory = take_inventory(site)
    files = [path for path in inventory.images if path not in inventory.junk]
    said = []
    patients, together = who_is_who(inventory, files, None, None, said.append)
    assert patients is None and len(set(together)) == len(files) - 1
    assert together[files.index(site / "p4_09.png")] == together[files.index(site / "p7_near.jpg")]
    assert "2 target images are copies of others" in said[0]
    patients, together = who_is_who(inventory, inventory.images, "^(..)_", None, said.append)
    assert len(set(patients)) == 10 and len(set(together)) == 8
    masks = tmp_path / "M"
    masks.mkdir()
    for path in inventory.images:
        Image.fromarray(np.uint8(255 * (np.array(Image.open(path)) > 90))).save(
            masks / f"{path.stem}.png"
        )
    Image.fromarray(np.uint8(255 * (FILMS[0] > 90))).save(masks / "p3_black.png")
    arguments = ["compare", "--source", site, "--target", site, "--masks", masks, "--budget", 2]
    arguments += ["--fast", "--pools", 2, "--draws", 1, "--quiet", "--out", tmp_path / "out"]
    assert main([*map(str, arguments)]) == 0
    said = capsys.readouterr().out
    assert "3 of 20 target images are not worth a label" in said and "--keep-junk" in said
    assert "17 labelled target images;" in said and "pool or in the test set as a whole" in said
    assert main([*map(str, arguments[:-1]), str(tmp_path / "all"), "--keep-junk"]) == 0
    assert "20 labelled target images;" in capsys.readouterr().out


# ------------------------------------------------------------------ patients from tags


def test_patients_come_from_the_tags_and_no_tag_is_written(tmp_path, capsys):
    pydicom = pytest.importorskip("pydicom", minversion="3")
    from tests.io.test_medical import write_dicom

    site = tmp_path / "scans"
    for patient in range(4):
        for i in range(3):
            values = RNG.integers(0, 4096, (20, 20), dtype=np.uint16)
            who = {"PatientID": f"MRN-{patient}", "SeriesInstanceUID": f"1.{patient}.{i}"}
            write_dicom(site / f"{i}" / f"{patient}.dcm", values, Modality="MR", **who)
    for name, more in (("said", ["--group-from", "dicom"]), ("unsaid", [])):
        out = tmp_path / name
        command = ["split", "--target", site, "--size", "3", "--out", out, "--quiet", *more]
        assert main([*map(str, command)]) == 0
        reserved = read_test_set(out)
        assert len({text.split("/")[1] for text in reserved.images}) == 1
        assert len(reserved.images) == 3 and reserved.n_patients == 1
        assert ("4 patients in 12 images" in capsys.readouterr().out) == (name == "unsaid")
    assert (tmp_path / "said/test.txt").read_text() == (tmp_path / "unsaid/test.txt").read_text()
    command = ["select", "--target", site, "--budget", 3, "--out", tmp_path / "out", "--quiet"]
    command += ["--group-from", "dicom", "--exclude-test", tmp_path / "said"]
    assert main([*map(str, command), "--max-per-group", "1"]) == 0
    written = "".join(path.read_text() for path in tmp_path.glob("*/*.*") if path.suffix != ".npz")
    assert "patient 1" in written and "MRN" not in written + capsys.readouterr().out
    picked = json.loads((tmp_path / "out/selection.json").read_text())["picked"]
    assert len({name.split("/")[1] for name in picked}) == 3
    # one patient in all files says nothing; a file whose tags are empty is named if asked for
    for path in site.rglob("*.dcm"):
        data = pydicom.dcmread(path)
        data.PatientID = ""
        data.save_as(path)
    with pytest.raises(ValueError, match=r"dicom: .*0\.dcm does not say which patient"):
        split_folder(site, 3, tmp_path / "empty", group_from="dicom")
    assert split_folder(site, 3, tmp_path / "no one").n_patients is None


def test_slices_of_a_volume_are_one_patient_along_the_axis_asked_for(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    site = tmp_path / "volumes"
    site.mkdir()
    for i in range(3):
        volume = RNG.uniform(50, 900, (8, 9, 10)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), site / f"{i}.nii.gz")
    reserved = split_folder(site, 1, tmp_path / "split", axis="coronal")
    assert [name.split("#")[1] for name in reserved.images] == [f"coronal={i}" for i in range(9)]
    assert reserved.n_patients == 1


# ------------------------------------------------------------------ files without an end


posix = pytest.mark.skipif(os.name == "nt", reason="no pipes and no devices")


@posix
@pytest.mark.parametrize("name", ["p.png", "p.dcm", "p.nii.gz", "p.tif", "p", "1.2.840"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_has_no_end_is_refused_and_never_opened(site, tmp_path, name, kind):
    path = site / name
    if kind == "pipe":
        os.mkfifo(path)
    else:
        os.symlink("/dev/zero", path)
    for read in (read_image, read_mask):
        with pytest.raises(ImageReadError, match="pipe, socket or device|no regular file"):
            read(path)
    assert list(find_unreadable([path])) == list_slices([path]) == [path]
    assert path in take_inventory(site).left_out


@posix
def test_records_and_tables_without_an_end_are_refused(site, tmp_path, capsys):
    (tmp_path / "old").mkdir()
    os.mkfifo(tmp_path / "old" / "split.json")  # beside the results, where a split is looked for
    command = ["select", "--target", site, "--budget", 2, "--quiet", "--out", tmp_path / "out"]
    assert main([*map(str, command)]) == 0
    for option in ("--group-from", "--labeled"):
        assert main([*map(str, command), "--force", option, "/dev/zero"]) == 2
        assert "it is a device, not a file" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no test set in"):
        read_test_set(tmp_path / "old")
