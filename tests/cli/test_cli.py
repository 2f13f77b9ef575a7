"""The command line as a user meets it: in a process of its own where that matters."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import skxssr
from skxssr.cli import build_parser, main
from skxssr.embedding import MAEEmbedder
from tests.cli.commands import MAE, command, record

SKXSSR = str(Path(sys.executable).with_name("skxssr"))
WITHOUT_TORCH = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
from skxssr.cli import main
sys.exit(main())
"""


def test_version_and_help_in_a_process_of_their_own():
    version = subprocess.run([SKXSSR, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"skxssr {skxssr.__version__}"
    shown = subprocess.run([SKXSSR, "--help"], capture_output=True, text=True, check=True)
    assert "never use them as a test set" in shown.stdout


@pytest.mark.parametrize(("text", "n"), [("2", 2), ("50%", 3), ("100%", 6)])
def test_select_writes_the_list(folders, capsys, text, n):
    assert main(command(folders, "--budget", text)) == 0
    assert len((folders / "out" / "selection.csv").read_text().splitlines()) == n + 1
    said = capsys.readouterr().out
    assert "selection.csv" in said and "test set" in said
    assert "the same picks in every run" in said
    assert record(folders)["embedder"]["class"] == "RandomFeaturesEmbedder"


def test_second_run_reuses_and_a_saved_embedder_is_taken(folders, capsys):
    main(command(folders, "--budget", "2", *MAE))
    first = (folders / "out" / "selection.csv").read_text()
    assert "every run" not in capsys.readouterr().out
    assert main(command(folders, "--budget", "2", *MAE)) == 2
    said = capsys.readouterr().err
    assert "holds a selection of 2 images already (asked for by: skxssr select" in said
    assert "--force" in said and "--continue" in said and "--labeled" in said
    assert (folders / "out" / "selection.csv").read_text() == first
    assert main(command(folders, "--budget", "2", *MAE, "--force")) == 0
    assert "reused" in capsys.readouterr().out
    assert (folders / "out" / "selection.csv").read_text() == first
    moved = folders / "elsewhere"
    (folders / "out" / "embedder").rename(moved)
    arguments = command(folders, "--budget", "2", "--force", "--embedder", moved)
    at = arguments.index("--image-size")
    assert main(arguments) == 2
    assert "cannot change the saved embedder" in capsys.readouterr().err
    assert main(arguments[:at] + arguments[at + 2 :]) == 0
    assert (folders / "out" / "selection.csv").read_text() == first


def test_several_seeds_are_joined_and_their_agreement_is_said(folders, capsys):
    assert main(command(folders, "--budget", "3", *MAE, "--seed", "5", "--seeds", "2")) == 0
    seeds = record(folders)["seeds"]
    assert list(seeds["picked"]) == ["5", "6"]
    one, other = map(set, seeds["picked"].values())
    assert len(one) == len(other) == 3
    assert seeds["shared"] == len(one & other)
    assert seeds["by_chance"] == 1.5
    said = capsys.readouterr().out
    assert f"share {len(one & other):.1f} of 3 on average" in said and "1.5" in said
    assert record(folders)["embedder"]["parameters"]["seeds"] == [5, 6]
    again = ["--seed", "5", "--seeds", "2", "--force"]
    assert main(command(folders, "--budget", "3", *MAE, *again)) == 0
    assert "reused" in capsys.readouterr().out
    assert record(folders)["seeds"] == seeds


def test_a_timm_model_is_taken_with_weights_from_a_file(folders, capsys):
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    weights = folders / "weights.pth"
    model = timm.create_model("test_resnet.r160_in1k", pretrained=False)
    torch.save({name: value + 0.01 for name, value in model.state_dict().items()}, weights)
    named = f"timm:test_resnet.r160_in1k={weights}"
    assert main(command(folders, "--budget", "2", "--embedder", named)) == 0
    embedder = record(folders)["embedder"]
    assert embedder["class"] == "TorchEmbedder" and embedder["saved_in"] is None
    assert embedder["parameters"]["module"] == "test_resnet.r160_in1k"
    assert embedder["parameters"]["weights"] == str(weights)
    assert embedder["parameters"]["image_size"] == 32
    assert len(embedder["weights_sha256"]) == 64
    assert not (folders / "out" / "embedder").exists()
    assert "the same picks in every run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("embedder", "more", "message"),
    [
        ("random-feature", [], "Possible are: random-features, mae, "),
        ("timm:no_such_model", [], "is no timm model"),
        ("timm:", [], "must be timm:NAME"),
        ("timm:test_resnet.r160_in1k=", [], "must be timm:NAME"),
        ("timm:test_resnet.r160_in1k=nowhere.pth", [], "no file 'nowhere.pth'"),
        ("random-features", ["--steps", "3"], "--steps 3 is for --embedder mae"),
        ("timm:test_resnet.r160_in1k", ["--seeds", "3"], "--seeds 3 is for --embedder mae"),
        ("mae", ["--seeds", "0"], "must be at least 1"),
        ("mae", ["--image-size", "50"], "use image_size=48"),
        ("random-features", ["--image-size", "2"], "image_size"),
        ("mae", ["--device", "abacus"], "abacus"),
    ],
)
def test_what_is_wrong_with_an_embedder_is_said_before_any_image_is_read(
    folders, capsys, monkeypatch, embedder, more, message
):
    never = lambda *args, **options: pytest.fail("began")  # noqa: E731
    monkeypatch.setattr("skxssr.workflows.select.select_from_folders", never)
    assert main(command(folders, "--budget", "2", "--embedder", embedder, *more)) == 2
    said = capsys.readouterr().err
    assert said.startswith("skxssr: error: ") and message in said and "Traceback" not in said


def test_a_name_comes_before_a_folder_of_that_name_and_other_estimators_are_refused(tmp_path):
    from skxssr.embedding import load_embedder
    from skxssr.embedding.by_name import embedder_by_name

    (tmp_path / "config.json").write_text('{"class": "SMPSegmenter"}')
    with pytest.raises(ValueError, match="holds a SMPSegmenter"):
        load_embedder(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="nor the folder of a saved one"):
        load_embedder(tmp_path)
    assert embedder_by_name("random-features").embedder.get_params()["image_size"] == 64
    assert embedder_by_name("mae").embedder.get_params()["image_size"] == 128
    assert embedder_by_name("timm:test_resnet.r160_in1k").embedder.image_size == 160


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--budget", "7"], "at most 6 can be picked"),
        (["--budget", "200%"], "fractional budget must be in"),
        (["--budget", "2", "--alpha", "1.5"], "'alpha' parameter"),
        (["--budget", "2", "--source", "nowhere"], "nowhere"),
        (["--budget", "2", "--embedder", "nowhere"], "nowhere"),
        (["--budget", "2", "--exclude-test", "nowhere"], "no test set in nowhere"),
        (["--budget", "2", "--device", "abacus"], "abacus"),
    ],
)
def test_errors_are_one_line_and_status_2(folders, capsys, more, message):
    assert main(command(folders, *more)) == 2
    said = capsys.readouterr().err
    assert said.startswith("skxssr: error: ") and message in said and "Traceback" not in said


@pytest.mark.parametrize("budget", ["many", "5 %%"])
def test_a_budget_that_is_no_number_is_explained(capsys, budget):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args(
            ["select", "--source", "a", "--target", "b", "--out", "c", "--budget", budget]
        )
    assert stop.value.code == 2
    assert "neither a count such as 22 nor a percentage such as 5%" in capsys.readouterr().err


def test_ctrl_c_says_where_the_work_is(folders, capsys, monkeypatch):
    def interrupted(self, images, y=None):
        error = KeyboardInterrupt()
        error.add_note("Step 7 is kept in somewhere.")
        raise error

    monkeypatch.setattr(MAEEmbedder, "fit", interrupted)
    assert main(command(folders, "--budget", "2", *MAE)) == 130
    assert "Step 7 is kept in somewhere." in capsys.readouterr().err


def test_embed_then_select_needs_no_image(folders, capsys):
    out = folders / "b.npz"
    arguments = ["embed", "--images", folders / "B", "--out", out, "--image-size", "32"]
    assert main([*map(str, arguments), "--device", "cpu", "--quiet"]) == 0
    assert "6 images, 1540 numbers each" in capsys.readouterr().out
    for path in (folders / "B").iterdir():
        path.unlink()
    arguments = ["select", "--embeddings", out, "--budget", "2", "--out", folders / "out"]
    arguments.append("--no-report")
    assert main([*map(str, arguments), "--selector", "MaxHerding"]) == 0
    said = capsys.readouterr().out
    assert "2 of 6 rows by MaxHerdingSelector" in said and "no accuracy" in said
    assert "No source: " in said
    more = ["--labeled", str(folders / "out"), "--budget", "50%", "--force"]
    assert main([*map(str, arguments), *more]) == 0
    assert len(record(folders)["picked"]) == 2  # half of the four that are left


def test_minutes_from_a_table_are_kept_to(folders, capsys):
    table = folders / "minutes.csv"
    names = sorted(path.name for path in (folders / "B").iterdir())
    rows = [f"{name},{3 + number}" for number, name in enumerate(names)]
    table.write_text("\n".join(["file,minutes", *rows]))
    timed = ["--budget", "12 min", "--minutes-from", table]
    assert main(command(folders, *timed)) == 0
    picked = record(folders)["picked"]
    total = sum(record(folders)["terms"]["minutes"])
    assert picked and total == sum(3 + names.index(name) for name in picked) <= 12
    said = capsys.readouterr().out
    assert f"They take {total:g} minutes." in said and "0.31 of the" in said
    assert main(command(folders, *timed, "--selector", "CoreSet")) == 2
    assert "leave --selector and --alpha away" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--embeddings", "b.npz"], "either --target"),
        (["--source-embeddings", "a.npz"], "goes with --embeddings"),
        (["--selector", "Best"], "--selector 'Best' is none of: CoreSetSelector"),
        (["--selector", "CoreSet", "--alpha", "0.5"], "which CoreSetSelector does not have"),
        (["--budget", "8 patients"], "--group-pattern or --group-from"),
        (["--budget", "1 h"], "--budget 60 minutes is time"),
        (["--model", "nowhere"], "--model nowhere holds no saved segmenter"),
        (["--labeled", "nowhere"], "--labeled nowhere"),
    ],
)
def test_options_of_select_that_do_not_go_together(folders, capsys, more, message):
    assert main(command(folders, "--budget", "2", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (folders / "out").exists()


def test_images_options_are_none_of_embeddings(folders, capsys):
    common = ["select", "--embeddings", "b.npz", "--budget", "2", "--out", str(folders / "out")]
    for more in (["--source", "A"], ["--steps", "3"], ["--axis", "coronal"], ["--model", "m"]):
        assert main([*common, *more]) == 2
        assert f"{more[0]} is for images" in capsys.readouterr().err
    assert main([*common, "--alpha", "auto"]) == 2
    assert "weighs the distance to the source" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_names_the_command_that_goes_on(folders, capsys, monkeypatch, number):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(MAEEmbedder, "fit", lambda *_: signal.raise_signal(number))
    arguments = command(folders, "--budget", "2", *MAE, "--group-pattern", "B-(p[0-9]+)-")
    assert main(arguments) == (130 if number == signal.SIGINT else 143)
    said = capsys.readouterr().err
    assert "Go on with the same command:" in said
    again = shlex.split(said.splitlines()[-1])
    assert again == ["skxssr", *arguments]
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_stops_where_ctrl_c_is_ignored(folders, capsys, monkeypatch):
    monkeypatch.setattr(MAEEmbedder, "fit", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = main(command(folders, "--budget", "2", *MAE, "--group-pattern", "B-(p[0-9]+)-"))
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert status == 143
    assert after is signal.SIG_IGN
    assert "Go on with the same command:" in capsys.readouterr().err


def test_every_command_has_an_example_in_the_order_of_the_story(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    commands = build_parser()._subparsers._group_actions[0].choices
    story = [name for name in commands if name != "demo"]
    told = [
        "embed",
        "select",
        "split",
        "review",
        "train",
        "predict",
        "evaluate",
        "compare",
        "report",
        "export",
    ]
    assert story == [name for name in told if name in story]
    places = [said.index(f"\n  skxssr {name}") for name in commands]
    assert places == sorted(places)


def test_a_core_without_torch_says_which_extra(folders):
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *command(folders, "--budget", "2")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "pip install 'skxssr[torch]'" in run.stderr


def test_demo_runs_whole_and_draws(tmp_path, capsys):
    from skxssr import SMPSegmenter
    from skxssr.workflows.demo import run_demo
    from tests.workflows.small_sites import tiny_embedder

    text = run_demo(
        tmp_path,
        budget=3,
        verbose=0,
        embedder=tiny_embedder(),
        segmenter=SMPSegmenter(
            image_size=32,
            arch_kwargs={"encoder_depth": 3, "decoder_channels": (16, 8, 8)},
            steps=2,
            batch_size=4,
            random_state=0,
        ),
        n_images=(6, 20, 6),
    )
    for word in ("source only", "random, mean of 3", "CoreSet", "XSSR", "all labels", "phantoms"):
        assert word in text
    assert text in capsys.readouterr().out
    record = json.loads((tmp_path / "demo.json").read_text())
    assert set(record["picks"]) == {"XSSR", "CoreSet", "random 1", "random 2", "random 3"}
    for name in ("picks.png", "sheet.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 10
