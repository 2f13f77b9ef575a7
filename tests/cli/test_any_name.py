"""Every command with names that no table, page or console was made for: all outputs can be read."""

import csv
import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from skxssr.cli import main

RNG = np.random.default_rng(0)
NAMES = [
    b"caf\xe9.png",  # no UTF-8
    b"a\nb.png",
    b"=1+1.png",
    b"@SUM(A1),2.png",
    b"\x1b[31mred.png",
    b"<script>alert(1)</script>.png".replace(b"/", b"_"),
    '胸片 <b>$x$,";.png'.encode(),
    b"%s {0} \\n.png",
    "\u202egnp.exe.png".encode(),
    "a\u0308.png".encode(),
]

COMMANDS = [
    "split --target {root}/B --size 2 --out {out}/split --quiet",
    "select --source {root}/A --target {root}/B --budget 4 --out {out}/picks "
    "--exclude-test {out}/split --quiet",
    "embed --images {root}/B --out {out}/b.npz --quiet",
    "select --embeddings {out}/b.npz --budget 3 --out {out}/picks2 --exclude-test {out}/split",
    "compare --source {root}/A --target {root}/B --masks {root}/Bm --budget 2 --fast --pools 2 "
    "--draws 1 --out {out}/compared --quiet",
    "train --images {root}/B --masks {root}/Bm --out {out}/model --steps 2 --image-size 32 "
    "--exclude-test {out}/split --quiet",
    "predict --model {out}/model --images {root}/B --out {out}/predicted --quiet",
    "evaluate --model {out}/model --images {root}/B --masks {root}/Bm --test {out}/split "
    "--out {out}/evaluated --quiet",
]


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux only")
def test_every_command_takes_every_name_and_writes_what_can_be_read(tmp_path, capsys):
    root, out = tmp_path / "sites", tmp_path / "out"
    for site in "AB":
        for folder in (site, f"{site}m"):
            (root / folder).mkdir(parents=True)
        for i, name in enumerate(NAMES):
            pixels = RNG.integers(30, 90, (40, 40), dtype=np.uint8)
            pixels[10 + i : 25 + i, 8:30] += 100
            mask = np.uint8(255 * (pixels > 110))
            for folder, values in ((site, pixels), (f"{site}m", mask)):
                with open(os.fsencode(root / folder) + b"/" + name, "wb") as stream:
                    Image.fromarray(values).save(stream, format="PNG")
    for command in COMMANDS:
        code = main(command.format(root=root, out=out).split())
        said = capsys.readouterr()
        assert code == 0, (command, said.err)
        said.out.encode("utf-8", "strict")  # no half characters on a screen
        assert "\x1b[31m" not in said.out + said.err
    for path in out.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".csv", ".txt", ".html", ".md"):
            text = path.read_bytes().decode("utf-8")
            if path.suffix == ".json":
                json.loads(text)
            elif path.suffix == ".jsonl":
                [json.loads(line) for line in text.splitlines()]
            elif path.suffix == ".html":
                assert "<script>alert" not in text
            elif path.suffix == ".csv":
                rows = list(csv.reader(path.open(encoding="utf-8", newline="")))
                assert len({len(row) for row in rows if row}) == 1, path
                cells = [cell for row in rows for cell in row]
                formulas = [c for c in cells if c[:1] in tuple("=+@\t\r")]
                assert not formulas, (path, formulas)
    left = json.loads((out / "split" / "split.json").read_text())["n_images"]
    assert left == {"all": len(NAMES), "test": 2}
    assert len(list((out / "predicted").rglob("*.png"))) >= 2
