"""Two sites of a few small films, and a selection from them."""

import pytest
from PIL import Image

from skxssr.datasets import make_phantoms
from tests.workflows.small_sites import N_SOURCE, N_TARGET, select


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("sites")
    for site, n in (("A", N_SOURCE), ("B", N_TARGET)):
        films = make_phantoms("chest", site, n, random_state=0, image_size=40)
        for name, image in zip(films.ids, films.images, strict=True):
            path = root / site / name.split("-")[1][:4] / f"{name}.png"  # in subfolders
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return root


@pytest.fixture(scope="module")
def selected(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new" / "folder"
    return out, select(folders, out)
