"""Files that are read whole, within a bound."""

from pathlib import Path

import pytest

from transforms.errors import InputError
from transforms.small_files import read_small_file


def test_a_file_as_large_as_the_bound_is_read_and_a_larger_one_is_refused(tmp_path):
    path = tmp_path / "request.json"
    path.write_bytes(b"\xff123")
    assert read_small_file(path, 4) == b"\xff123"
    with pytest.raises(InputError) as caught:
        read_small_file(path, 3)
    assert str(caught.value) == f"{path}: must be at most 3 bytes"


def test_an_endless_file_is_refused_without_being_read_to_its_end():
    with pytest.raises(InputError, match="must be at most 1000 bytes"):
        read_small_file(Path("/dev/zero"), 1000)


def test_what_cannot_be_read_is_named_with_the_reason(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file"):
        read_small_file(tmp_path / "none.json", 10)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_small_file(tmp_path, 10)
