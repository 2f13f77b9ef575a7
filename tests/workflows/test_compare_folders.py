"""A labelled target played through: what is written, said, kept and refused."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from skxssr import MAEEmbedder, SMPSegmenter, XSSRSelector
from skxssr.cli import main
from skxssr.datasets import make_phantoms
from skxssr.evaluation import load_comparison, summarize
from skxssr.evaluation._analysis.text import outcome_sentence, outcome_table
from skxssr.exceptions import ImageReadError
from skxssr.workflows.compare import compare_folders
from tests.workflows.small_sites import tiny_embedder

N_SOURCE, N_TARGET = 6, 16
PATIENT = "B-(p[0-9]+)-"
PICTURES = ("forest.png", "efficiency.png")


def tiny_segmenter(**parameters):
    return SMPSegmenter(
        image_size=32,
        arch_kwargs={"encoder_depth": 3, "decoder_channels": (16, 8, 8)},
        batch_size=2,
        device="cpu",
        **{"steps": 2} | parameters,
    )


def write_sites(root):
    """Two sites of images and masks; foreground is 1 in the source and 255 in the target."""
    for site, n, value in (("A", N_SOURCE, 1), ("B", N_TARGET, 255)):
        films = make_phantoms("chest", site, n, random_state=0, image_size=40)
        for name, image, mask in zip(films.ids, films.images, films.masks, strict=True):
            for folder, pixels in ((site, image), (f"{site}m", value * np.uint8(mask > 0))):
                (root / folder).mkdir(exist_ok=True)
                Image.fromarray(pixels).save(root / folder / f"{name}.png")
    return root


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"))


def compare(sites, out, **options):
    options = {
        "embedder": tiny_embedder(),
        "segmenter": tiny_segmenter(),
        "selectors": {"XSSR": XSSRSelector()},
        "budgets": [2, 4],
        "n_pools": 2,
        "n_random": 1,
        "group_pattern": PATIENT,
        "keep_junk": True,  # one film is a negative, and all are counted here
        "verbose": 0,
    } | options
    return compare_folders(sites / "A", sites / "B", sites / "Bm", out, **options)


@pytest.fixture(scope="module")
def compared(sites, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new"
    said = []
    result = compare(
        sites, out, source_masks=sites / "Am", minutes_per_label=10, on_message=said.append
    )
    return out, result, said


def test_every_network_is_filed_and_whole_patients_are_tested_on(compared, sites):
    out, result, _ = compared
    runs = load_comparison(out / "runs.jsonl").runs
    assert len(runs) == len(result.comparison.runs)
    picked = [run for run in runs if not run.get("reference")]
    assert len(picked) == 2 * 2 * (1 + 1)
    assert {run["selector"] for run in runs} == {"XSSR", "random", "all labels", "source only"}
    names = sorted(path.name for path in (sites / "B").iterdir())
    for run in picked:
        pool = {names[row].split("-")[1] for row in run["rows"]}
        assert not pool & set(run["units"])


def test_tables_and_pictures_are_written(compared):
    out, result, _ = compared
    record = json.loads((out / "summary.json").read_text())
    assert record["verdict"] == result.verdict
    assert len(record["rows"]) == 2 * 2 + 2
    assert record["minutes_per_label"] == 10
    assert record["label_free"]["4"]["budget"] == 4
    assert record["label_free"]["4"]["text"] == result.label_free[4].text
    for name in PICTURES:
        with Image.open(out / name) as picture:
            assert min(picture.size) > 150
            assert np.asarray(picture.convert("L")).std() > 5


def test_what_is_said_before_and_after(compared, sites):
    _, result, said = compared
    assert f"Target {sites / 'B'}: {N_TARGET} images (40 x 40, 8-bit gray)." in said[0]
    assert said[1] == "A: 8 bits\nB: 8 bits"
    assert said[2].startswith("Bm: foreground = 255: ")
    assert said[3].startswith("Am: foreground = 1: ")
    assert f"{N_TARGET} labelled target images of " in said[4]
    assert "about 10 networks" in said[4]
    for outlook in result.label_free.values():
        assert outlook.text in said[5]
    assert result.verdict in result.text
    for word in ("minus random", "worth", "all labels", "source only"):
        assert word in result.text
    assert result.text.endswith("the intervals of 2 are too narrow.")


def test_again_trains_nothing_and_says_the_same(compared, sites):
    out, result, _ = compared
    before = (out / "runs.jsonl").read_bytes()
    again = compare(sites, out, source_masks=sites / "Am", minutes_per_label=10)
    assert again.embedder_reused
    assert (out / "runs.jsonl").read_bytes() == before
    assert again.text == result.text


def test_a_comparison_of_something_else_is_not_continued(compared, sites, tmp_path):
    out, _, _ = compared
    with pytest.raises(ValueError, match="differs in embedder, source_masks"):
        compare(sites, out, embedder=tiny_embedder().set_params(steps=3))


def test_ctrl_c_says_where_the_networks_are(sites, tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("skxssr.workflows.compare.compare_selectors", interrupted)
    with pytest.raises(KeyboardInterrupt) as stop:
        compare(sites, tmp_path / "out")
    assert "runs.jsonl; the same command goes on" in stop.value.__notes__[0]


def given(sites, out, *more):
    named = ["--source", sites / "A", "--target", sites / "B", "--masks", sites / "Bm"]
    rest = ["--out", out, "--budget", "25%", "--image-size", "32", "--device", "cpu", "--quiet"]
    return ["compare", *map(str, [*named, *rest, *more])]


DEFAULTS = {"XSSR", "CoreSet", "MaxHerding", "facility location", "TypiClust", "random"}


def test_command_line(sites, tmp_path, capsys):
    tiny_embedder().fit(sorted((sites / "A").iterdir())).save(tmp_path / "embedder")
    out = tmp_path / "out"
    arguments = given(sites, out, "--embedder", tmp_path / "embedder")
    arguments += ["--pools", "1", "--draws", "1", "--steps", "1"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for word in ("about 7 networks", *DEFAULTS):
        assert word in said
    assert "--fast" not in said.partition("minus random:")[2]
    assert {path.name for path in out.iterdir()} >= {"runs.jsonl", "summary.json", *PICTURES}
    assert main([*arguments, "--masks", str(sites / "B")]) == 2
    assert "would be its own mask" in capsys.readouterr().err
    again = given(sites, out, "--embedder", tmp_path / "embedder", "--fast", "--pools", "1")
    assert main(again) == 2
    assert "made without --fast, and this one is with it" in capsys.readouterr().err


def test_a_first_look_trains_nothing_and_writes_the_same_files(
    sites, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(SMPSegmenter, "fit", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(MAEEmbedder, "fit", lambda *_: pytest.fail("trained"))
    out = tmp_path / "out"
    arguments = given(sites, out, "--fast", "--pools", "2", "--draws", "3")
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for word in ("about 18 selections to judge", "all labels", *DEFAULTS):
        assert word in said
    for word in ("linear segmenter", "only in part", "docs/results/study.md", "Without --fast"):
        assert word in said.replace("\n", " ")
    assert {path.name for path in out.iterdir()} >= {"runs.jsonl", "summary.json", *PICTURES}
    runs = load_comparison(out / "runs.jsonl").runs
    assert {run["selector"] for run in runs} == {*DEFAULTS, "all labels"}
    assert sum(run["selector"] == "random" for run in runs) == 2 * 3
    assert {run["embedder"] for run in runs} == {"RandomFeaturesEmbedder", "none"}

    before = (out / "runs.jsonl").read_bytes()
    assert main(arguments) == 0  # goes on from the file, where all is done
    assert (out / "runs.jsonl").read_bytes() == before
    capsys.readouterr()
    assert main(given(sites, out, "--steps", "1")) == 2
    assert "made with --fast, and this one is without it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", "5"], "--steps is for networks"),
        (["--jobs", "2"], "--jobs is for networks"),
        (["--source-masks", "Am"], "leave one of them away"),
        (["--embedder", "nowhere"], "Possible are: random-features"),
    ],
)
def test_what_does_not_go_with_a_first_look_is_said(sites, tmp_path, capsys, more, message):
    assert main(given(sites, tmp_path / "out", "--fast", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budgets": [2, 200]}, "give budgets from 1 to "),
        ({"budgets": []}, "asks for nothing"),
        ({"group_pattern": "(nobody)"}, "matches no part"),
    ],
)
def test_errors_come_before_any_training(sites, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        compare(sites, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_broken_and_missing_files_are_named(tmp_path):
    sites = write_sites(tmp_path)
    first, second = sorted((sites / "B").iterdir())[:2]
    first.write_bytes(b"no image")
    with pytest.raises(ImageReadError, match="Repair them") as error:
        compare(sites, tmp_path / "out")
    assert first.name in str(error.value)
    second.unlink()
    with pytest.raises(ValueError, match="masks lack an image"):
        compare(sites, tmp_path / "out")
    shutil.rmtree(sites / "Bm")
    with pytest.raises(FileNotFoundError, match="Bm"):
        compare(sites, tmp_path / "out")


def runs(differences, n_pools=6):
    """Networks of "ours" and of random draws, `differences` apart at budgets 5 and 10."""
    rng = np.random.default_rng(0)
    made = []
    for budget, base in ((5, 0.80), (10, 0.90)):
        place = {"task": "t", "block": "picks", "embedder": "mae", "segmenter": "unet"}
        place |= {"budget": budget, "seed": 0, "units": ["a", "b"], "draw": 0}
        for pool in range(n_pools):
            noise = rng.normal(scale=0.004, size=2)
            random = {**place, "pool": pool, "selector": "random", "dice": [base, base]}
            ours = [base + differences[budget] + n for n in noise]
            made += [random, {**random, "selector": "ours", "dice": ours}]
    return made


def test_the_sentence_says_what_intervals_say():
    said = outcome_sentence(summarize(runs({5: 0.05, 10: 0.0})), "ours")
    assert said.startswith("Choosing with ours would have paid at 5 labels (+")
    assert "; it made no difference that 6 pools can show at 10 labels" in said
    said = outcome_sentence(summarize(runs({5: -0.05, 10: -0.05})), "ours")
    assert said.startswith("Choosing with ours would have done harm at 5 and 10 labels (-")
    assert "nobody and random have run in no pool" in outcome_sentence(
        summarize(runs({5: 0, 10: 0})), "nobody"
    )


def test_the_table_reads_labels_off_the_random_curve():
    summary = summarize(runs({5: 0.05, 10: 0.05}), minutes_per_label=3)
    (ours, random) = outcome_table(summary, 5)
    assert (ours["selector"], random["selector"]) == ("ours", "random")
    worth = float(ours["worth"])
    assert worth == pytest.approx(5 * np.sqrt(2), rel=0.05)  # half way up, in the logarithm
    assert float(ours["minutes saved"]) == pytest.approx(3 * (worth - 5), abs=0.7)
    assert ours["beats a draw"] == "100%"
    assert random["minus random"] == random["worth"] == "-"
    assert outcome_table(summary, 10)[0]["worth"] == "> 10"
