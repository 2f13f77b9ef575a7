"""Two folders of six small films."""

import pytest
from PIL import Image

from skxssr.datasets import make_phantoms


@pytest.fixture
def folders(tmp_path):
    for site in ("A", "B"):
        films = make_phantoms("chest", site, 6, random_state=0, image_size=32)
        (tmp_path / site).mkdir()
        for name, image in zip(films.ids, films.images, strict=True):
            Image.fromarray(image).save(tmp_path / site / f"{name}.png")
    return tmp_path
