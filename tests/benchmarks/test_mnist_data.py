"""Files of MNIST: read whole or refused with one message, and split without an overlap."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.experiments import mnist_data
from benchmarks.experiments.mnist_data import read_images, split_images
from tests.benchmarks.mnist_files import idx, write_images
from transforms.errors import InputError

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mnist"


@pytest.mark.parametrize("packed", [False, True])
def test_images_and_labels_are_read_packed_or_not(tmp_path, packed):
    write_images(tmp_path, 23, packed=packed)
    images = read_images(tmp_path)
    assert images.pixels.shape == (23, 28, 28)
    assert images.pixels[:, 0, 0].tolist() == list(range(23))
    assert images.labels.tolist() == [number % 10 for number in range(23)]


def test_both_parts_are_taken_together(tmp_path):
    write_images(tmp_path, 5, part="train")
    write_images(tmp_path, 3, part="t10k", packed=True)
    assert read_images(tmp_path).pixels[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


def test_every_image_is_in_exactly_one_split(tmp_path):
    write_images(tmp_path, 200)
    splits = split_images(tmp_path, seed=1)
    assert [len(split.labels) for split in splits] == [140, 30, 30]
    numbers = np.concatenate([split.pixels[:, 0, 0] for split in splits])
    assert sorted(numbers) == list(range(200))
    assert not np.array_equal(numbers, np.arange(200))
    for split in splits:
        assert np.array_equal(split.pixels[:, 0, 0] % 10, split.labels)


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        read_images(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_without_images_is_refused(tmp_path):
    assert "must hold t10k-images-idx3-ubyte" in refused(tmp_path)


def test_images_without_labels_are_refused(tmp_path):
    write_images(tmp_path, 3)
    (tmp_path / LABELS).unlink()
    assert "must hold t10k-labels-idx1-ubyte" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        (IMAGES, b"", "must be an IDX file of unsigned bytes with 3 dimensions"),
        (IMAGES, b"\0\0\x0d\x03" + bytes(12), "Received: 00 00 0d 03 at its start"),
        (IMAGES, idx(np.zeros(3)), "Received: 00 00 08 01 at its start"),
        (IMAGES, idx(np.zeros((3, 28, 28)))[:-1], "Received: 3 x 28 x 28 and 2351 bytes"),
        (IMAGES, b"\0\0\x08\x03" + b"\xff" * 12, "as many values as its sizes say"),
        (IMAGES, idx(np.zeros((3, 28, 27))), "images must be 28 x 28. Received: 28 x 27"),
        (LABELS, idx(np.zeros(2)), "a label for each image. Received: 2 labels, 3 images"),
        (LABELS, idx(np.array([1, 10, 2])), "labels must be below 10. Received: 10"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name, content, rule):
    write_images(tmp_path, 3)
    (tmp_path / name).write_bytes(content)
    message = refused(tmp_path)
    assert name in message and rule in message


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"no gzip", "cannot be unpacked"),
        (gzip.compress(bytes(999), mtime=0)[:-5], "ends too early"),
    ],
)
def test_a_broken_archive_is_refused(tmp_path, content, rule):
    write_images(tmp_path, 3, packed=True)
    (tmp_path / f"{IMAGES}.gz").write_bytes(content)
    assert rule in refused(tmp_path)


def test_an_archive_that_unpacks_to_more_than_allowed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist_data, "_MAX_BYTES", 5000)
    write_images(tmp_path, 20, packed=True)
    assert "must hold at most 5000 bytes" in refused(tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the official files in ../shared/data/mnist")
def test_the_official_files_are_read():
    images = read_images(SHARED)
    assert np.bincount(images.labels)[:3].tolist() == [980, 1135, 1032]
    assert images.pixels.shape == (10_000, 28, 28) and images.pixels.max() == 255
