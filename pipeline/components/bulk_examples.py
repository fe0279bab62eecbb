"""TFX's StatisticsGen and Transform, which read and write many examples at a time.

Only how files are read and written is other than TFX's: its way, an example an element, is
most of what both steps cost (docs/scale.md). TFX has no option for it, so each step runs with
the one function or class replaced that does it.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from tensorflow_metadata.proto.v0.schema_pb2 import Schema
from tfx import components
from tfx.components.statistics_gen import executor as statistics_executor
from tfx.components.transform import executor as transform_executor
from tfx.components.util import examples_utils, tfxio_utils
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Artifact

from transforms.example_files.reading import PLACE, ExampleFiles, find_example_files
from transforms.example_files.writing import WriteExamples


class _StatisticsExecutor(statistics_executor.Executor):
    def Do(self, *args: Any) -> None:  # noqa: N802
        with _replaced(tfxio_utils, "get_split_tfxio", _open_split):
            super().Do(*args)


class StatisticsGen(components.StatisticsGen):
    """TFX's StatisticsGen; see its documentation."""

    EXECUTOR_SPEC = BeamExecutorSpec(_StatisticsExecutor)


class _Processor(transform_executor.TransformProcessor):
    """Reads rows with their places, which pass through beside the features, and writes by them."""

    def __init__(self) -> None:
        self._num_files: dict[str | None, int] = {}

    def _CreateTFXIO(self, dataset: Any, schema: Schema) -> ExampleFiles:  # noqa: N802
        files = find_example_files(dataset.file_pattern)
        # None of a dataset that is only analysed, where the property would fail.
        self._num_files[dataset._materialize_output_path] = len(files)
        return ExampleFiles(files, schema, with_places=True)

    @staticmethod
    def _GetTFXIOPassthroughKeys() -> set[str]:  # noqa: N802
        return {PLACE}

    def _EncodeAndWrite(  # noqa: N802
        self, schema: Schema, file_format: str, output_path: str
    ) -> beam.PTransform[Any, Any]:
        del file_format  # Always TFRecord: LogExampleGen writes no other.
        return WriteExamples(schema, output_path, self._num_files[output_path])


class _TransformExecutor(transform_executor.Executor):
    def Do(self, *args: Any) -> None:  # noqa: N802
        with _replaced(transform_executor, "TransformProcessor", _Processor):
            super().Do(*args)


class Transform(components.Transform):
    """TFX's Transform; see its documentation."""

    EXECUTOR_SPEC = BeamExecutorSpec(_TransformExecutor)


def _open_split(examples: list[Artifact], split: str, schema: Any = None, **_: Any) -> ExampleFiles:
    patterns = examples_utils.get_split_file_patterns(examples, split)
    return ExampleFiles(find_example_files(patterns), schema)


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)
