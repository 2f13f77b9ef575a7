"""What the rooms of the benchmarks share: folders, provenance, a network, and cells of tables."""

import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ROOT / "docs" / "results"


def dispatch(main: Callable[[], None], room: str, others: tuple[str, ...]) -> None:
    """Run `main`, or that of the module of the room that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in others:
        sys.argv[:2] = [f"{sys.argv[0]} {name}"]
        main = importlib.import_module(f"benchmarks.{room}.{name}").main
    main()


def commit() -> str:
    """The commit of the code, marked if the code differs from it; results may have come since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results"
    )
    name = git("describe", "--always", "--abbrev=12")
    return (f"{name}-dirty" if changed else name) or "unknown"


def machine(device: str) -> str:
    """Where it ran."""
    import torch

    if device in ("auto", "cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"


def network(width: int) -> dict[str, Any]:
    """A residual U-Net of four stages; `width` channels in the first."""
    return {
        "encoder_name": "tu-resnet10t",
        "arch_kwargs": {
            "encoder_depth": 4,
            "decoder_channels": [4 * width, 2 * width, width, width],
            "channels": [width, 2 * width, 4 * width, 8 * width],
            "stem_width": width,
        },
    }


def difference(pairs: dict[tuple[str, str], Any], selector: str, other: str) -> str:
    """Such as "+0.31 [+0.02, +0.60]", with the sign turned where the pair is filed in reverse."""
    if (selector, other) in pairs:
        pair, sign, low, high = pairs[selector, other], 1, "low", "high"
    elif (other, selector) in pairs:
        pair, sign, low, high = pairs[other, selector], -1, "high", "low"
    else:
        return "-"
    if pair["difference"] is None:
        return "-"
    text = f"{sign * pair['difference']:+.2f}"
    if pair["low"] is not None:
        text += f" [{sign * pair[low]:+.2f}, {sign * pair[high]:+.2f}]"
    if pair["primary"]:
        text += f" p={pair['p_holm']:.3f}"
    return text


def difference_in(row: Mapping[str, Any], which: str = "") -> str:
    """The difference of a comparison with its interval, or another one of its row ("_adjusted")."""
    value, low, high = (row[f"{key}{which}"] for key in ("difference", "low", "high"))
    return "-" if value is None else f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def beats_random(row: dict[str, Any]) -> str:
    """P(beats random) with its interval, such as "0.71 [0.60, 0.82]"."""
    if row["beats_random"] is None:
        return "-"
    if row["beats_random_low"] is None:
        return f"{row['beats_random']:.2f}"
    low, high = row["beats_random_low"], row["beats_random_high"]
    return f"{row['beats_random']:.2f} [{low:.2f}, {high:.2f}]"


def reference(row: dict[str, Any]) -> dict[str, str]:
    """A row of the table of networks that were trained without a selection."""
    return {
        "trained on": row["selector"],
        "block": row["block"],
        "segmenter": row["segmenter"],
        "labels": str(row["budget"]),
        "runs": str(row["n_runs"]),
        "Dice": f"{row['dice']:.2f}",
        "worst run": f"{row['worst_run']:.2f}",
    }
