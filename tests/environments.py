"""Environments of their own for the libraries that `skxssr.integrations` plugs into.

Some of them hold other packages back, and none is installed for the test run. Each gets a virtual
environment in `.venvs/`, which sees what the running one has, skxssr included, and puts in front of
it what the library needs. Made once, with the releases current on that day; `make clean` removes
them all.

    python -m tests.environments                 names and what pip is asked for
    python -m tests.environments baal            makes .venvs/baal and prints its interpreter
    python -m tests.environments baal -m pytest tests/integrations/test_baal.py    and runs it
"""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venvs"

# name -> the arguments of each call of pip install, in order
ENVIRONMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    # Its requirements hold jupyter, which nothing here imports.
    "baal": (("--no-deps", "baal"), ("structlog<23", "torchmetrics")),
    # As in the extra: its teach fails on scikit-learn 1.8 and later.
    "modal": (("modAL-python>=0.4.2", "scikit-learn<1.8"),),
    "small-text": (("small-text",),),
    # Strategy and folder of MONAI Label, without its server.
    "monailabel": (
        ("--no-deps", "monailabel", "monai"),
        ("filelock", "pydantic-settings", "watchdog"),
    ),
    # The server too, 2 GB of it. Left out of its requirements: what only other endpoints import.
    "monailabel-server": (
        ("--no-deps", "monailabel", "monai"),
        ("dicomweb-client[gcp]", "pydicom<3", "pydicom-seg", "pynetdicom", "itk", "numpymaxflow")
        + ("fastapi", "httpx", "python-multipart", "uvicorn", "pydantic-settings", "python-dotenv")
        + ("bcrypt", "passlib", "pyjwt", "cachetools", "expiringdict", "expiring_dict", "schedule")
        + ("timeloop", "filelock", "watchdog", "psutil", "requests-toolbelt", "girder-client")
        + ("einops", "lmdb", "nibabel", "pynrrd", "shapely"),
    ),
    # The client of Label Studio, with its converter, alone.
    "label-studio-sdk": (("label-studio-sdk",),),
    # The server with its database, 1 GB. It asks for "attr", which stands in the way of attrs.
    "label-studio": (("label-studio",), ("--force-reinstall", "--no-deps", "attrs")),
    # Reads and writes the formats of CVAT.
    "datumaro": (("datumaro",),),
}


def output(*command: object, **options: Any) -> str:
    """What a command prints; if it fails, an AssertionError that holds all it printed."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(name: str) -> Path:
    """The interpreter of the environment `name`, made if it is not there or was made otherwise."""
    folder = HOME / name
    python = folder / "bin" / "python"
    base = sysconfig.get_paths()["purelib"]
    recipe = repr((sys.version, base, ENVIRONMENTS[name]))
    stamp = folder / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if stamp.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    output(sys.executable, "-m", "venv", folder)
    own = output(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    # The other folder comes after this one on the path, so what is installed here wins. addsitedir
    # reads the .pth files of that folder too, and so finds an editable skxssr.
    Path(own, "shared.pth").write_text(f"import site; site.addsitedir({base!r})\n", "utf-8")
    for arguments in ENVIRONMENTS[name]:
        output(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)
    stamp.touch()
    return python


def run(name: str, *arguments: object, cwd: Path | str = ROOT) -> str:
    """What the interpreter of the environment `name` prints, given these arguments."""
    return output(make(name), *arguments, cwd=cwd, timeout=900)


def main(arguments: list[str]) -> int:
    if not arguments:
        for name, calls in ENVIRONMENTS.items():
            sys.stdout.write("\n    pip install ".join([name, *map(" ".join, calls)]) + "\n")
        return 0
    python = make(arguments[0])
    if not arguments[1:]:
        sys.stdout.write(f"{python}\n")
        return 0
    return subprocess.run([str(python), *arguments[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
