"""What every bundled selector picks on a few seeded inputs, held to hashes that are committed.

``python -m tests.selection.test_committed_picks`` writes the hashes anew, after a change that was
meant to change picks; with ``-`` it prints them instead.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skxssr.selection
from skxssr.base import BaseSelector
from skxssr.selection import make_variant
from tests.conftest import normal

COMMITTED = Path(__file__).with_name("committed_picks.json")
FORMS = ("XSSR, alpha auto", "XSSR as described", "residual")


def inputs():
    """Source, pool and arguments of `select`, by name: no two distances tie in any of them."""
    mixed = normal(12, 40, 3)[np.random.default_rng(4).integers(0, 12, 400)] * 2 + normal(
        400, 40, 5
    )
    patients = np.random.default_rng(6).integers(0, 60, 250)
    return {
        "with a source": (normal(120, 20, 0) + 0.3, normal(300, 20, 1), {"budget": 22}),
        "clusters, labels and patients": (
            None,
            mixed[:250],
            {"budget": 30, "labeled": [3, 77, 120], "groups": patients, "max_per_group": 2},
        ),
        "float32, weights and candidates": (
            normal(90, 8, 7).astype(np.float32),
            normal(200, 8, 8).astype(np.float32),
            {
                "budget": 0.1,
                "sample_weight": np.random.default_rng(9).random(200),
                "candidates": np.arange(0, 200, 2),
            },
        ),
    }


def selectors():
    public = {name: getattr(skxssr.selection, name) for name in skxssr.selection.__all__}
    named = {
        name: kind()
        for name, kind in public.items()
        if isinstance(kind, type) and issubclass(kind, BaseSelector)
    }
    named |= {form: make_variant(form) for form in FORMS}
    for selector in named.values():
        if "random_state" in selector.get_params():
            selector.set_params(random_state=0)
    return named


def hashes():
    """SHA-256 of the picks as little-endian int64, by selector and input."""
    found = {}
    for name, selector in selectors().items():
        found[name] = {}
        for case, (source, X, arguments) in inputs().items():
            fitted = clone(selector) if source is None else clone(selector).fit(source)
            picks = fitted.select(X, **arguments).astype("<i8")
            found[name][case] = hashlib.sha256(picks.tobytes()).hexdigest()
    return found


def test_picks_are_those_that_are_committed():
    assert hashes() == json.loads(COMMITTED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("core", ["Haswell", "Prescott"])
def test_picks_do_not_depend_on_the_kernels_of_blas(core):
    """OpenBLAS chooses its kernels by the processor; each sums in an order of its own."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("these kernels are for processors of the x86-64 family")
    there = subprocess.run(
        [sys.executable, "-m", "tests.selection.test_committed_picks", "-"],
        env={**os.environ, "OPENBLAS_CORETYPE": core},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert json.loads(there.stdout) == json.loads(COMMITTED.read_text(encoding="utf-8"))


if __name__ == "__main__":
    text = json.dumps(hashes(), indent=1) + "\n"
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(text)
    else:
        COMMITTED.write_text(text, encoding="utf-8")
