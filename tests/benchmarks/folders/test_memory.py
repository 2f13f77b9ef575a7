"""The pictures of the memory benchmark."""

from benchmarks.folders import memory
from skxssr.io import take_inventory


def test_pictures_are_films_of_which_none_is_a_copy(tmp_path):
    memory.write_pictures(tmp_path, 12)
    found = take_inventory(tmp_path)
    assert len(found.images) == 12
    assert len({path.read_bytes() for path in found.images}) == 12
