"""The pictures of the toy comparison."""

import numpy as np
import pytest

from tests.evaluation.toy import Threshold


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.random((60, 6, 6))


@pytest.fixture(autouse=True)
def forget():
    Threshold.trained.clear()
