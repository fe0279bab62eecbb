"""The checkpoints of one training on disk. Imports no TensorFlow."""

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainer.checkpoints.file import Array, write_checkpoint
from trainer.checkpoints.progress import Position
from transforms.errors import InputError
from transforms.folders import locked

_NAME = re.compile(r"epoch-(\d{5})-step-(\d{12})\.npz")
_FINISHED = "finished"
# Of trainings that never came to their end, in one place.
_KEPT_TRAININGS = 4


class CheckpointFolder:
    """Keeps the newest checkpoints of one training.

    Args:
        place: of the checkpoints of all trainings; each has a folder there.
        training: its fingerprint, the name of the folder.
        keep: how many checkpoints.
    """

    def __init__(self, place: Path, training: str, keep: int) -> None:
        self.place = place
        self.training = training
        self.path = place / training
        self.keep = keep

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes out, and clears away what killed ones have left.

        Raises:
            InputError: if another process trains the same.
        """
        with locked(self.path, "training's checkpoints"):
            for leftover in self.path.glob(".*.partial"):
                leftover.unlink(missing_ok=True)
            self._forget_old_trainings()
            yield

    def positions(self) -> list[Position]:
        """Of all checkpoints, the newest first."""
        names = (path.name for path in self.path.glob("*.npz"))
        found = [match for name in names if (match := _NAME.fullmatch(name))]
        return sorted((Position(int(m[1]), int(m[2])) for m in found), reverse=True)

    def file(self, position: Position) -> Path:
        """Where the checkpoint of a position is."""
        return self.path / f"epoch-{position.epoch:05}-step-{position.step:012}.npz"

    def write(
        self, position: Position, document: bytes, arrays: Iterable[tuple[str, Array]]
    ) -> None:
        """Writes a checkpoint, and removes those that are too many then.

        Args:
            position: of the training.
            document: see `write_checkpoint`.
            arrays: see `write_checkpoint`.
        """
        write_checkpoint(self.file(position), document, arrays)
        for old in self.positions()[self.keep :]:
            self.remove(old)

    def remove(self, position: Position) -> None:
        """Removes a checkpoint."""
        self.file(position).unlink(missing_ok=True)

    def finish(self) -> None:
        """Marks the training as one whose result has been written."""
        (self.path / _FINISHED).touch()

    def _forget_old_trainings(self) -> None:
        others = [path for path in _trainings(self.place) if path != self.path]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for old in others[_KEPT_TRAININGS - 1 :]:
            _remove(old)


def remove_finished(place: Path) -> None:
    """Removes the checkpoints of trainings whose results are where they were wanted.

    Args:
        place: of the checkpoints of all trainings.
    """
    for path in _trainings(place):
        if (path / _FINISHED).exists():
            _remove(path)
    with contextlib.suppress(OSError):  # others are left, or it was never made
        place.rmdir()


def _trainings(place: Path) -> list[Path]:
    return [path for path in place.glob("*") if (path / ".lock").is_file()]


def _remove(path: Path) -> None:
    with contextlib.suppress(InputError), locked(path, "training's checkpoints"):
        shutil.rmtree(path, ignore_errors=True)
