"""Checkpoints as files: whole or not at all, bounded, never code."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.checkpoints.file import ArraySpec, BrokenCheckpointError, reading, write_checkpoint
from trainer.checkpoints.folder import CheckpointFolder, remove_finished
from trainer.checkpoints.progress import Position, Progress
from trainer.config import Training
from transforms.errors import ConfigError, InputError
from transforms.folders import locked
from transforms.section import load_section

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7, np.int64)}
SPECS = {name: ArraySpec(array.shape, array.dtype.name) for name, array in ARRAYS.items()}
DOCUMENT = Progress(training="mine", epoch=1, step=2).model_dump_json().encode()
MAX_BYTES = 1000


def write(path: Path) -> Path:
    write_checkpoint(path, DOCUMENT, ARRAYS.items())
    return path


def read(path: Path) -> dict[str, np.ndarray]:
    with reading(path, MAX_BYTES) as file:
        assert file.document() == DOCUMENT
        file.check(SPECS)
        return {name: file.read(name, spec) for name, spec in SPECS.items()}


def test_what_is_written_is_read_and_numpy_can_look_at_it(tmp_path):
    path = write(tmp_path / "one.npz")
    for name, array in read(path).items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
    np.testing.assert_array_equal(np.load(path)["a"], ARRAYS["a"])


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_of_a_file_with_a_changed_byte_nothing_wrong_is_read(tmp_path_factory, data):
    path = write(tmp_path_factory.mktemp("changed") / "one.npz")
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        arrays = read(path)
    except (BrokenCheckpointError, AssertionError):
        return
    # A byte that says nothing, such as one of a date.
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_file_that_breaks_off_is_not_whole(tmp_path_factory, data):
    path = write(tmp_path_factory.mktemp("short") / "one.npz")
    os.truncate(path, data.draw(st.integers(0, path.stat().st_size - 1)))
    with pytest.raises(BrokenCheckpointError, match=r"one\.npz: is no whole checkpoint"):
        read(path)


@pytest.mark.parametrize(
    ("array", "compression"),
    [
        (np.array([pickle], dtype=object), zipfile.ZIP_STORED),
        (ARRAYS["a"].astype(">f4"), zipfile.ZIP_STORED),
        (np.asfortranarray(ARRAYS["a"]), zipfile.ZIP_STORED),
        (np.zeros((2, 3, 10**6), np.float32), zipfile.ZIP_DEFLATED),
        (ARRAYS["a"], zipfile.ZIP_DEFLATED),
    ],
    ids=["pickle", "other end first", "columns first", "bomb", "compressed"],
)
def test_other_arrays_than_those_asked_for_are_not_read(tmp_path, array, compression):
    path = tmp_path / "one.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("document.json", DOCUMENT, zipfile.ZIP_STORED)
        for name, value in (ARRAYS | {"a": array}).items():
            with archive.open(f"{name}.npy", "w") as out:
                # As an attacker would: the bytes of a pickle where an array is expected.
                is_object = value.dtype == object
                np.lib.format.write_array(out, value.astype("S") if is_object else value)
    with pytest.raises(BrokenCheckpointError, match="a must be ArraySpec"):
        read(path)


def test_a_file_of_more_than_the_training_has_is_not_opened(tmp_path):
    path = write(tmp_path / "one.npz")
    os.truncate(path, 10**9)
    with pytest.raises(BrokenCheckpointError, match="must have at most 1000 bytes"):
        read(path)


def test_a_write_that_is_cut_short_leaves_the_one_before(tmp_path):
    path = write(tmp_path / "one.npz")

    def half():
        yield from list(ARRAYS.items())[:1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, b"{}", half())
    assert read(path)
    assert [p.name for p in tmp_path.iterdir()] == ["one.npz"]


def test_a_full_disk_is_said(tmp_path):
    folder = tmp_path / "file"
    folder.touch()
    with pytest.raises(InputError, match=r"one\.npz: cannot be written: Not a directory"):
        write(folder / "one.npz")


def test_a_folder_keeps_the_newest(tmp_path):
    folder = CheckpointFolder(tmp_path, "mine", keep=2)
    with folder.held():
        for position in (Position(0, 900), Position(1, 5), Position(1, 40)):
            folder.write(position, DOCUMENT, ARRAYS.items())
    assert folder.positions() == [(1, 40), (1, 5)]
    assert read(folder.file(Position(1, 40)))


def test_a_folder_is_for_one_training_at_a_time_and_forgets_halves(tmp_path):
    folder = CheckpointFolder(tmp_path, "mine", keep=2)
    folder.path.mkdir()
    (folder.path / ".epoch-00000.npz.partial").write_bytes(b"half")
    (folder.path / "notes.txt").touch()
    other = CheckpointFolder(tmp_path, "mine", keep=2)
    with folder.held():
        assert sorted(p.name for p in folder.path.iterdir()) == [".lock", "notes.txt"]
        with pytest.raises(InputError, match="another run is using"), other.held():
            pass


def test_of_trainings_that_never_ended_four_are_kept_and_none_that_goes_on(tmp_path):
    def begin(name: str, age: int) -> None:
        folder = CheckpointFolder(tmp_path, name, keep=1)
        with folder.held():
            folder.write(Position(0, 1), DOCUMENT, ARRAYS.items())
        os.utime(folder.path, (1000 - age, 1000 - age))

    for age in range(5):
        (tmp_path / f"mine-{age}").mkdir()
        (tmp_path / f"mine-{age}" / ".lock").touch()
        os.utime(tmp_path / f"mine-{age}", (1000 - age, 1000 - age))
    (tmp_path / "transform").mkdir()
    with locked(tmp_path / "mine-4", "folder"):
        os.utime(tmp_path / "mine-4", (900, 900))
        begin("new", 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "mine-0",
        "mine-1",
        "mine-2",
        "mine-4",
        "new",
        "transform",
    ]


def test_only_finished_trainings_are_removed(tmp_path):
    for name in ("done", "going"):
        with CheckpointFolder(tmp_path / "all", name, keep=1).held():
            pass
    CheckpointFolder(tmp_path / "all", "done", keep=1).finish()
    remove_finished(tmp_path / "all")
    assert [path.name for path in (tmp_path / "all").iterdir()] == ["going"]
    remove_finished(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("section", "rule"),
    [
        ({"every_steps": 0}, r"every_steps: .*Received: 0"),
        ({"keep": 0}, r"keep: .*Received: 0"),
        ({"every": "often"}, r"every: a duration must be"),
        ({"where": "/"}, r"where: Extra inputs"),
    ],
)
def test_a_wrong_section_is_refused_with_the_rule(section, rule):
    with pytest.raises(ConfigError, match=rule):
        load_section(Training, {"checkpoint": section}, "bad.yaml")


def test_a_section_survives_json_and_may_be_none():
    training = Training(checkpoint={"every": "90s", "every_epochs": None})
    assert Training.model_validate_json(training.model_dump_json()) == training
    assert training.checkpoint.every.total_seconds() == 90
    assert Training(checkpoint=None).checkpoint is None
