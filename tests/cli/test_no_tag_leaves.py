"""No tag of a DICOM file that tells who somebody is reaches an output of any command."""

import base64
import io
import logging
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from skxssr.cli import main

pytest.importorskip("pydicom", minversion="3")

from tests.io.test_medical import SECRET, write_dicom  # noqa: E402

RNG = np.random.default_rng(0)
UIDS = ("1.2.826.0.1.4711", "1.2.826.0.2.4711", "1.2.826.0.3.4711")
PLANTED = (*SECRET, "MRN-0", "ERIN-4711", "at bed 12", "PRIVATE-4711", *UIDS)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Two sites of six patients with two pictures each, and their masks."""
    root = tmp_path_factory.mktemp("scans")
    for site in "AB":
        for i in range(12):
            row, column = np.mgrid[:40, :40]
            inside = (row - 20 - i) ** 2 + (column - 20) ** 2 < (8 + i % 5) ** 2
            values = (RNG.normal(900, 120, (40, 40)) + 1500 * inside).clip(0, 4095)
            who = f"MRN-0{site}{i // 2}"
            path = write_dicom(
                root / site / f"{i:02d}.dcm",
                values.astype(np.uint16),
                Modality="MR",
                PatientID=who,
                OtherPatientIDs="ERIN-4711",
                ImageComments="at bed 12",
                StudyInstanceUID=f"{UIDS[0]}.{i // 2}",
                SeriesInstanceUID=f"{UIDS[1]}.{i}",
                FrameOfReferenceUID=f"{UIDS[2]}.{i}",
            )
            add_private_tag(path)
            (root / f"{site}m").mkdir(exist_ok=True)
            Image.fromarray(np.uint8(255 * inside)).save(root / f"{site}m" / f"{i:02d}.png")
    return root


def add_private_tag(path):
    import pydicom

    data = pydicom.dcmread(path)
    data.private_block(0x0011, "PRIVATE-4711", create=True).add_new(1, "LO", "PRIVATE-4711")
    data.save_as(path)


def everything_in(folder):
    """All bytes below a folder; members of archives and pictures in pages taken out."""
    parts = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        parts += [data, str(path.relative_to(folder)).encode()]
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        for found in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
            parts.append(base64.b64decode(found + b"=" * (-len(found) % 4)))
    # numpy keeps text as UTF-32
    return b"\n".join(parts).decode("latin-1"), b"\n".join(parts)


COMMANDS = {
    "split": "split --target {root}/B --size 2 --out {out}/split --group-from dicom",
    "select": "select --source {root}/A --target {root}/B --budget 3 --out {out}/picks "
    "--group-from dicom --exclude-test {out}/split",
    "embed": "embed --images {root}/B --out {out}/b.npz",
    "select from embeddings": "select --embeddings {out}/b.npz --budget 3 --out {out}/picks2",
    "compare": "compare --source {root}/A --target {root}/B --masks {root}/Bm --budget 2 --fast "
    "--pools 2 --draws 1 --out {out}/compared --group-from dicom",
    "train": "train --images {root}/B --masks {root}/Bm --out {out}/model --steps 2 "
    "--image-size 32 --group-from dicom --exclude-test {out}/split",
    "predict": "predict --model {out}/model --images {root}/B --out {out}/predicted",
    "evaluate": "evaluate --model {out}/model --images {root}/B --masks {root}/Bm "
    "--test {out}/split --out {out}/evaluated --group-from dicom",
}


def test_every_output_of_every_command(scans, tmp_path, capsys, caplog, recwarn):
    caplog.set_level(logging.DEBUG)
    for name, command in COMMANDS.items():
        arguments = command.format(root=scans, out=tmp_path).split()
        if "embeddings" not in command:
            arguments.append("--quiet")
        assert main(arguments) == 0, (name, capsys.readouterr().err)
    said = capsys.readouterr()
    text, raw = everything_in(tmp_path)
    text += said.out + said.err + caplog.text
    text += "".join(str(warning.message) for warning in recwarn)
    assert "patient 1" in text  # groups were told
    for secret in PLANTED:
        assert secret not in text
        assert secret.encode("utf-32-le") not in raw


def test_errors_do_not_quote_tags_either(scans, tmp_path, capsys):
    bad = tmp_path / "bad"
    bad.mkdir()
    whole = (scans / "B" / "00.dcm").read_bytes()
    (bad / "short.dcm").write_bytes(whole[:-900])
    (bad / "odd.dcm").write_bytes(whole.replace(b"MONOCHROME2", b"MRN-0B0 odd"))
    (bad / "good.dcm").write_bytes(whole)
    for command in ("select --target {} --budget 1", "split --target {} --size 1",
                    "embed --images {}"):  # fmt: skip
        out = tmp_path / ("b.npz" if "embed" in command else "out")
        main([*command.format(bad).split(), "--out", str(out), "--quiet"])
    said = capsys.readouterr()
    for secret in PLANTED:
        assert secret not in said.out + said.err
    assert "short.dcm" in said.err
