"""What is in a folder: what is taken for an image, for a mask, for junk, and what is left out."""

import json
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from skxssr import CoreSetSelector, RandomFeaturesEmbedder, RandomSelector, XSSRSelector
from skxssr.datasets import make_phantoms
from skxssr.io import list_images, pair_images_and_masks, take_inventory
from skxssr.workflows.select import select_from_folders

RNG = np.random.default_rng(0)
SCENES = [
    (40 * np.sin(np.arange(24)[:, None] / (3 + i)) + RNG.normal(120, 12, (24, 24))).astype(np.uint8)
    for i in range(12)
]
MASKS = [np.uint8(255 * (scene > 120)) for scene in SCENES]


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def relative(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def fill(folder, name="case{:02d}.png", pictures=SCENES):
    for i, pixels in enumerate(pictures):
        put(folder / name.format(i), pixels)
    return folder


# ------------------------------------------------------------------------------ masks


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/case{:02d}.png", "masks/case{:02d}.png"),
        ("case{:02d}.png", "case{:02d}_mask.png"),
        ("case{:02d}.png", "masks/case{:02d}.png"),
        ("case{:02d}.png", "case{:02d}_segmentation.tif"),
        ("case{:02d}.png", "mask_case{:02d}.png"),
        ("case{:02d}.png", "case{:02d}-lung.png"),  # told by the values alone
        ("p1/case{:02d}.png", "truth/case{:02d}.png"),
        ("imagesTr/case{:02d}.png", "labelsTr/case{:02d}.png"),
        ("film/a/case{:02d}.png", "film_masks/a/case{:02d}_mask.png"),
        ("masks and images/images/case{:02d}.png", "masks and images/Mask/case{:02d}.png"),
    ],
)
def test_masks_among_images_are_told_and_never_taken(tmp_path, images, masks):
    fill(tmp_path, images)
    fill(tmp_path, masks, MASKS)
    found = take_inventory(tmp_path)
    assert relative(found.images, tmp_path) == sorted(images.format(i) for i in range(12))
    assert sorted(relative(found.masks, tmp_path)) == sorted(masks.format(i) for i in range(12))
    assert "12 taken for masks" in found.text("Target") and "--images" in found.text("Target")


def test_an_empty_mask_is_a_mask_too_and_jpeg_masks_are_told_by_name(tmp_path):
    fill(tmp_path / "images")
    fill(tmp_path / "masks", "case{:02d}.jpg", [np.zeros((24, 24), np.uint8), *MASKS[1:]])
    assert len(take_inventory(tmp_path).masks) == 12


def test_what_only_looks_like_it_stays_an_image(tmp_path):
    # folders of patients with the same slice names, one of them black; a folder called labels
    # that pairs with nothing; a name that ends in _mask without a partner
    for i in range(4):
        fill(tmp_path / f"p{i}", "slice{}.png", SCENES[3 * i : 3 * i + 3])
    put(tmp_path / "p0" / "slice0.png", np.zeros((24, 24), np.uint8))
    for i in range(3):
        put(tmp_path / "labels" / f"other{i}.png", SCENES[i].T)
    put(tmp_path / "p1" / "oxygen_mask.png", SCENES[0][::-1].copy())
    found = take_inventory(tmp_path)
    assert not found.masks and len(found.images) == 16


def test_a_folder_of_masks_alone_is_refused_until_it_is_said_that_they_are_images(tmp_path):
    fill(tmp_path, pictures=MASKS)
    with pytest.raises(ValueError, match=r"two values only.*case00\.png.*--images '\*'"):
        take_inventory(tmp_path)
    assert len(take_inventory(tmp_path, images="*").images) == 12
    fill(tmp_path / "images")
    assert len(take_inventory(tmp_path, images="case*", exclude="images").images) == 12


def test_patterns_name_paths_names_and_folders(tmp_path):
    fill(tmp_path / "a" / "t1")
    fill(tmp_path / "a" / "t2")
    for pattern in ("t1", "a/t1", "a/t1/*", "*/t1/*.png", "./a/t1/"):
        found = take_inventory(tmp_path, images=pattern)
        assert {path.parent.name for path in found.images} == {"t1"}
        assert len([why for why in found.left_out.values() if "--images" in why]) == 12
    assert len(take_inventory(tmp_path, images="case0[0-3].png", exclude="t2").images) == 4
    with pytest.raises(ValueError, match=r"no image in .*24 left out by --images or --exclude"):
        take_inventory(tmp_path, images="*.tif")


# ------------------------------------------------------------------------------ the rest


posix = pytest.mark.skipif(os.name == "nt", reason="no pipes, and links need permission")


@posix
def test_what_is_left_out_is_named_with_its_reason(tmp_path):
    fill(tmp_path)
    for name in ("notes.txt", "scan.xyz", "Thumbs.db", ".hidden.png", "slice", "._case00.png"):
        (tmp_path / name).write_bytes(b"?")
    put(tmp_path / "__MACOSX" / "case.png", SCENES[0])
    os.symlink(tmp_path / "nowhere", tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = take_inventory(tmp_path)
    assert len(found.images) == 12
    said = found.text("Target")
    for words in ("1 .txt not of", "1 .xyz not of", "1 (no suffix) not of", "2 hidden"):
        assert words in said
    for words in ("1 a link to nothing (gone.png)", "1 a pipe, socket or device (pipe.png)"):
        assert words in said
    assert "(Thumbs.db, __MACOSX)" in said
    json.dumps(found.to_dict())
    for path in found.images:
        path.unlink()
    with pytest.raises(ValueError, match=r"found 1 \.\w+.*convert them to PNG.*__MACOSX"):
        take_inventory(tmp_path)


@posix
def test_links_are_followed_once_and_circles_are_cut(tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    fill(site / "true")
    fill(elsewhere)
    os.symlink(elsewhere, site / "linked")
    os.symlink(elsewhere, site / "linked again")
    os.symlink(site, site / "true" / "circle")
    os.symlink(tmp_path, site / "above")
    os.symlink(site / "itself", site / "itself")
    found = take_inventory(site)
    assert {path.parent.name for path in found.images} == {"true", "linked"}
    assert len(found.images) == 24
    circles = [path for path, why in found.left_out.items() if "read already" in why]
    assert {path.name for path in circles} == {"linked again", "circle", "above"}
    assert list_images(site) == found.images


def test_own_outputs_are_never_read_back(tmp_path):
    fill(tmp_path)
    for name in ("summary.json", "forest.png", "embedder/x.png"):
        put(tmp_path / "trial" / name.replace("json", "png"), SCENES[0])
    (tmp_path / "trial" / "summary.json").write_text("{}")
    assert relative(list_images(tmp_path), tmp_path)[-1] == "trial/summary.png"
    found = take_inventory(tmp_path, out=[tmp_path / "trial"])
    assert len(found.images) == 12
    # but a folder of images that is given for the results as well, or lies in it, is read
    assert len(take_inventory(tmp_path, out=[tmp_path, tmp_path.parent]).images) == 13


# ------------------------------------------------------------------------------ junk


def test_junk_is_found_by_what_is_usual_in_the_folder(tmp_path):
    films = [image for image in make_phantoms("chest", "A", 12, random_state=0).images]
    fill(tmp_path, pictures=films)
    height, width = films[0].shape
    made = {
        "black": np.zeros_like(films[0]),
        "white": np.full_like(films[0], 255),
        "nearly white": np.maximum(films[0], 255 - 200 * (np.arange(width) < 9).astype(np.uint8)),
        "dark": (films[1] * 0.08).astype(np.uint8),
        "negative": 255 - films[2],
        "one colour but for noise": np.uint8(100 + RNG.integers(0, 4, films[0].shape)),
        "small": films[3][:12, :12],
        "strip": films[3][:20],
        "copy": films[4],
        "same pixels": films[4],
        "outline": np.uint8(255 * (films[5] > 120)),
    }
    for name, pixels in made.items():
        put(tmp_path / f"{name}.{'tif' if name == 'same pixels' else 'png'}", pixels)
    found = take_inventory(tmp_path)
    assert {path.stem for path in found.junk} == set(made)
    assert found.junk[tmp_path / "copy.png"] == "a copy of case04.png"
    assert "2 copies of others (copy.png, same pixels.tif)" in found.text("Target")


@pytest.mark.parametrize("seed", [2, 5])
def test_every_spoilt_phantom_is_junk_and_no_other(tmp_path, seed):
    films = make_phantoms("chest", "B", 150, random_state=seed, image_size=48)
    for name, pixels in zip(films.ids, films.images, strict=True):
        put(tmp_path / f"{name}.png", pixels)
    spoilt = np.isin(films.modes, ["dark", "inverted", "blank"])
    assert spoilt.any()
    found = take_inventory(tmp_path)
    assert {path.stem for path in found.junk} == {str(name) for name in np.array(films.ids)[spoilt]}


@pytest.mark.parametrize("selector", [XSSRSelector(), CoreSetSelector(), RandomSelector()])
def test_no_spoilt_phantom_is_ever_picked(tmp_path, selector):
    films = make_phantoms("chest", "B", 150, random_state=5, image_size=48)
    for name, pixels in zip(films.ids, films.images, strict=True):
        put(tmp_path / "B" / f"{name}.png", pixels)
    spoilt = set(np.array(films.ids)[np.isin(films.modes, ["dark", "inverted", "blank"])].tolist())
    embedder = RandomFeaturesEmbedder(image_size=16)

    def picked(**more):
        result = select_from_folders(
            *(None, tmp_path / "B", 1.0, tmp_path / "out"),
            embedder=embedder,
            selector=selector,
            verbose=0,
            **more,
        )
        return {path.stem for path in result.files}

    assert spoilt and picked() == set(films.ids) - spoilt  # all that may be picked
    assert picked(keep_junk=True, force=True) == set(films.ids)


def test_junk_is_seen_but_not_picked(tmp_path):
    fill(tmp_path / "A")
    fill(tmp_path / "B", pictures=[np.rot90(scene) for scene in SCENES])
    put(tmp_path / "B" / "black.png", np.zeros((24, 24), np.uint8))
    put(tmp_path / "B" / "twice.png", np.rot90(SCENES[0]))
    options = {
        "embedder": RandomFeaturesEmbedder(image_size=16),
        "selector": XSSRSelector(),
        "verbose": 0,
    }

    def select(budget, **more):
        folders = (tmp_path / "A", tmp_path / "B", budget, tmp_path / "out")
        return select_from_folders(*folders, force=True, **options, **more)

    result = select(1.0)
    assert len(result.target) == 14 and len(result.files) == 12
    assert {path.name for path in result.junk} == {"black.png", "twice.png"}
    record = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert record["junk"]["twice.png"] == "a copy of case00.png"
    assert record["inventory"]["target"]["n_images"] == 14
    with pytest.raises(ValueError, match=r"at most 12.*black\.png, twice\.png.*--keep-junk"):
        select(13)
    assert len(select(13, keep_junk=True).files) == 13


def test_near_copies_count_as_one_patient_unless_all_are_alike(tmp_path):
    films = list(make_phantoms("chest", "A", 16, random_state=3).images)
    fill(tmp_path / "A", pictures=films[:4])
    pool = [np.asarray(Image.fromarray(film).resize((96, 96))) for film in films[4:]]
    fill(tmp_path / "B", pictures=pool)
    # three more of the first: another size, compressed, brighter
    Image.fromarray(pool[0]).resize((80, 80)).save(tmp_path / "B" / "small.png")
    Image.fromarray(pool[0]).save(tmp_path / "B" / "packed.jpg", quality=60)
    put(tmp_path / "B" / "bright.png", np.uint8(30 + 0.8 * pool[0]))
    twins = {"case00.png", "small.png", "packed.jpg", "bright.png"}

    def select(budget, **more):
        said = []
        result = select_from_folders(
            tmp_path / "A",
            tmp_path / "B",
            budget,
            tmp_path / "out",
            embedder=RandomFeaturesEmbedder(image_size=16),
            selector=XSSRSelector(),
            force=True,
            verbose=0,
            on_message=said.append,
            **more,
        )
        return [path.name for path in result.files], said

    picked, said = select(12)
    assert len(twins.intersection(picked)) == 1 and "4 images are nearly the same" in said[-1]
    record = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert [set(cluster) for cluster in record["near_copies"]] == [twins]
    assert len(select(15)[0]) == 15
    assert not any("nearly the same" in text for text in select(12, keep_junk=True)[1])
    for path in (tmp_path / "B").glob("case*.png"):
        if path.name not in ("case00.png", "case01.png"):
            path.unlink()
    # a camera that never moves
    assert not any("nearly the same" in text for text in select(2)[1])


def test_the_same_image_on_both_sides_is_said(tmp_path):
    fill(tmp_path / "A")
    fill(tmp_path / "B", "other{:02d}.tif", SCENES[:3] + [np.rot90(s) for s in SCENES])
    said = []
    select_from_folders(
        tmp_path / "A",
        tmp_path / "B",
        2,
        tmp_path / "out",
        embedder=RandomFeaturesEmbedder(image_size=16),
        selector=XSSRSelector(),
        verbose=0,
        on_message=said.append,
    )
    assert "3 of 15 target images are in the source too" in said[2]
    record = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert record["on_both_sides"] == ["other00.tif", "other01.tif", "other02.tif"]


# ------------------------------------------------------------------------------ pairing


def test_masks_pair_by_word_by_suffix_and_in_spite_of_accents(tmp_path):
    composed = unicodedata.normalize("NFC", "Gräfe")
    put(tmp_path / "i" / f"{composed}.png", SCENES[0])
    put(tmp_path / "i" / "sub" / "b.png", SCENES[1])
    put(tmp_path / "m" / f"{unicodedata.normalize('NFD', composed)}.png", MASKS[0])
    put(tmp_path / "m" / "b_Segmentation.png", MASKS[1])
    pairs = pair_images_and_masks(tmp_path / "i", tmp_path / "m")
    assert [mask.name for _, mask in pairs] == [
        f"{unicodedata.normalize('NFD', composed)}.png",
        "b_Segmentation.png",
    ]
    assert pairs[0][0].stem == composed  # as it is on disk


def test_an_unknown_ending_is_suggested_and_taken_when_said(tmp_path):
    fill(tmp_path / "i")
    fill(tmp_path / "m", "case{:02d}_lung_left.png", MASKS)
    with pytest.raises(ValueError, match="--mask-suffix=_lung_left"):
        pair_images_and_masks(tmp_path / "i", tmp_path / "m")
    fill(tmp_path / "m", "case{:02d}_heart.png", MASKS)
    pairs = pair_images_and_masks(tmp_path / "i", tmp_path / "m", mask_suffix="_heart")
    assert [mask.name for _, mask in pairs] == [f"case{i:02d}_heart.png" for i in range(12)]
    with pytest.raises(ValueError, match="'_brain'.*check --mask-suffix"):
        pair_images_and_masks(tmp_path / "i", tmp_path / "m", mask_suffix="_brain")


def test_one_folder_for_both_pairs_by_name_or_is_refused(tmp_path):
    fill(tmp_path)
    with pytest.raises(ValueError, match="each image would be its own mask"):
        pair_images_and_masks(tmp_path, tmp_path)
    fill(tmp_path, "case{:02d}_mask.png", MASKS)
    pairs = pair_images_and_masks(tmp_path, tmp_path)
    assert [(i.name, m.name) for i, m in pairs][0] == ("case00.png", "case00_mask.png")
    put(tmp_path / "case00_mask_1.png", MASKS[0])
    with pytest.raises(ValueError, match=r"several masks each, such as case00\.png with"):
        pair_images_and_masks(tmp_path, tmp_path)
