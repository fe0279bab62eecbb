"""What a trained model keeps of itself for a later training: one file, beside the model.

It is a checkpoint's file: arrays and a JSON document, a checksum for each, no code. Everything
in it is checked before it is used: sizes against the file's, shapes and types, that labels are
different. Imports no TensorFlow.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, ValidationError

from trainer.checkpoints.file import (
    Array,
    ArraySpec,
    BrokenCheckpointError,
    CheckpointFile,
    reading,
    write_checkpoint,
)
from transforms.errors import InputError
from transforms.section import Section, first_problem

BASE_FILE = "base.npz"
NO_BASE_FILE = "no_base"
"""In a Model artifact that stands for none, for an orchestrator that must give some."""
# Of a TFX Model artifact: where the model with all experts is.
_FULL_MODEL = "Format-TFMA"
_MAX_BYTES = 1 << 42
_MAX_ARRAYS = 100_000

Size = Annotated[int, Field(ge=0, le=2**40)]
AxisName = Annotated[str, Field(max_length=1000)]
ArrayName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_/.]{1,300}$")]


class Weight(Section):
    """One array.

    Attributes:
        shape: of it.
        dtype: NumPy's name of its type.
        axes: the name of each axis.
    """

    shape: tuple[Size, ...] = Field(max_length=8)
    dtype: Literal["float16", "float32", "float64", "int64"]
    axes: tuple[AxisName, ...] = Field(max_length=8)


class Labels(Section):
    """The labels of an axis: `num_bytes` of text, cut at `count` ends."""

    count: Size
    num_bytes: Size


class Layout(Section):
    """The document: what there is, and along which axes.

    Attributes:
        version: of this format.
        weights: name -> array.
        labels: axis -> its labels.
        temperatures: gate -> what the logits of its selectors are divided by.
    """

    version: Literal[1] = 1
    weights: dict[ArrayName, Weight] = Field(max_length=_MAX_ARRAYS)
    labels: dict[AxisName, Labels] = Field(max_length=_MAX_ARRAYS)
    temperatures: dict[ArrayName, Annotated[float, Field(ge=1e-30, le=1e30)]]


class Base:
    """A base that is open and has been checked as a whole.

    Args:
        layout: what is in it.
        file: its arrays.
    """

    def __init__(self, layout: Layout, file: CheckpointFile) -> None:
        self.layout = layout
        self._file = file
        self._places = {axis: f"labels_{i:04}" for i, axis in enumerate(layout.labels)}

    def read(self, name: str) -> Array:
        """A weight."""
        return self._file.read(name, _spec_of(self.layout.weights[name]))

    def labels(self, axis: str) -> pa.LargeBinaryArray:
        """The labels of an axis."""
        text, ends = (self._file.read(name, spec) for name, spec in self._label_specs(axis).items())
        offsets = np.concatenate([np.zeros(1, np.int64), ends])
        if (np.diff(offsets) < 0).any() or offsets[-1] != len(text):
            raise self.broken(f"the labels of {axis:.100} must be cut inside of their text")
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        labels = pa.Array.from_buffers(pa.large_binary(), len(ends), buffers)
        if len(labels.unique()) != len(labels):
            raise self.broken(f"the labels of {axis:.100} must be different")
        return labels

    def specs(self) -> dict[str, ArraySpec]:
        """What each array of the file must be."""
        weights = {name: _spec_of(weight) for name, weight in self.layout.weights.items()}
        labels = [self._label_specs(axis) for axis in self.layout.labels]
        return weights | {name: spec for specs in labels for name, spec in specs.items()}

    def broken(self, rule: str) -> BrokenCheckpointError:
        """What to raise if the file breaks a rule."""
        return BrokenCheckpointError(f"{self._file.path}: is no whole base of a training: {rule}")

    def _label_specs(self, axis: str) -> dict[str, ArraySpec]:
        size, place = self.layout.labels[axis], self._places[axis]
        return {
            f"{place}/text": ArraySpec((size.num_bytes,), "uint8"),
            f"{place}/ends": ArraySpec((size.count,), "int64"),
        }


def write_base(
    folder: Path,
    weights: Mapping[str, Weight],
    labels: Mapping[str, pa.LargeBinaryArray],
    temperatures: Mapping[str, float],
    arrays: Iterable[tuple[str, Array]],
) -> None:
    """Writes the base of a trained model.

    Args:
        folder: gets the file.
        weights: name -> what the array is.
        labels: axis -> its labels, all different.
        temperatures: gate -> what the logits of its selectors are divided by.
        arrays: name -> array, asked for one by one, so that only one has to be in memory.
    """
    texts = [values.to_pylist() for values in labels.values()]
    layout = Layout(
        weights=dict(weights),
        labels={
            axis: Labels(count=len(text), num_bytes=sum(map(len, text)))
            for axis, text in zip(labels, texts, strict=True)
        },
        temperatures=dict(temperatures),
    )
    parts = chain(arrays, *(_cut(i, text) for i, text in enumerate(texts)))
    write_checkpoint(folder / BASE_FILE, layout.model_dump_json().encode(), parts)


def _cut(number: int, labels: Sequence[bytes]) -> Iterator[tuple[str, Array]]:
    yield f"labels_{number:04}/text", np.frombuffer(b"".join(labels), np.uint8)
    yield f"labels_{number:04}/ends", np.cumsum([*map(len, labels)], dtype=np.int64)


@contextmanager
def reading_base(path: Path) -> Iterator[Base]:
    """Opens a base, all of which is there and as its document says.

    Args:
        path: of the file.

    Raises:
        BrokenCheckpointError: if it is not.
        InputError: if it cannot be read.
    """
    with reading(path, _MAX_BYTES) as file:
        try:
            layout = Layout.model_validate_json(file.document())
        except ValidationError as error:
            raise BrokenCheckpointError(
                f"{path}: is no whole base of a training: {first_problem(error)}"
            ) from None
        base = Base(layout, file)
        specs = base.specs()
        size = sum(math.prod(s.shape) * np.dtype(s.dtype).itemsize for s in specs.values())
        if size > path.stat().st_size:
            raise base.broken(f"its arrays must fit into it. Received: {size} bytes of arrays")
        for weight in layout.weights.values():
            if len(weight.shape) != len(weight.axes):
                raise base.broken("each axis of an array must have a name")
        file.check(specs)
        yield base


def find_base(folder: Path) -> Path:
    """The base in a folder of `gaterank train`, or in a Model artifact of a run.

    Raises:
        InputError: if there is none.
    """
    for path in (folder / BASE_FILE, folder / _FULL_MODEL / BASE_FILE):
        if path.is_file():
            return path
    raise InputError(
        f"{folder}: must be what `gaterank train` wrote, or the artifact of a trained model, with "
        f"{BASE_FILE}"
    )


def _spec_of(weight: Weight) -> ArraySpec:
    return ArraySpec(weight.shape, weight.dtype)
