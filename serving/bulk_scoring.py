"""Bulk scoring: a SavedModel over files of tf.Examples, column-wise, on one machine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.examples import KEYS, SCORE, TIMESTAMP, label_name, prediction_name, weight_name
from transforms.ingest.history.state import HISTORY_FILE
from transforms.ingest.writing.tfrecord import GZIP_SUFFIX
from transforms.storage import write_whole

_BATCH_SIZE = 4096


class ExampleScorer:
    """Predicts serialized examples with a saved ranker.

    Args:
        model_dir: a SavedModel, or a folder of numbered versions of which the latest is
            taken.

    Raises:
        InputError: if there is no model, or none that can be loaded.
    """

    def __init__(self, model_dir: Path) -> None:
        self.model_dir = latest_version(model_dir)
        try:
            # The loaded object owns the variables of its signatures: keep it alive.
            self._model = tf.saved_model.load(str(self.model_dir))
            self._serve = self._model.signatures["serving_default"]
            self._rank = self._model.signatures["rank"]
        except Exception as error:  # a broken file can make TensorFlow's loader raise anything
            message = f"{self.model_dir}: must be a ranker's SavedModel: {error}"
            raise InputError(message.partition("\n")[0]) from error

    def __call__(self, examples: tf.Tensor) -> dict[str, np.ndarray]:
        """Serialized examples [B] -> task, and `score`, -> [B] float32."""
        return {name: value.numpy() for name, value in self._serve(examples=examples).items()}

    def check_fits(self, config: DataConfig) -> None:
        """Refuses the configuration of another model, by which values would go missing.

        Args:
            config: whose features the examples have, and whose tasks are asked for.

        Raises:
            InputError: if the model reads other features or predicts other tasks.
        """
        reads = set(self._rank.structured_input_signature[1])
        for what, missing in (
            ("read no features but the YAML's", reads - set(config.features)),
            ("predict the YAML's tasks", set(config.tasks) - set(self._serve.structured_outputs)),
        ):
            if missing:
                raise InputError(f"{self.model_dir}: must {what}. Received: {sorted(missing)}")


def latest_version(model_dir: Path) -> Path:
    """The SavedModel in the folder, or in its highest numbered version.

    Raises:
        InputError: if there is none.
    """
    if (model_dir / "saved_model.pb").is_file():
        return model_dir
    versions = (path for path in model_dir.glob("*/") if path.name.isdecimal())
    complete = [path for path in versions if (path / "saved_model.pb").is_file()]
    if not complete:
        raise InputError(f"{model_dir}: must hold a SavedModel or numbered versions of one")
    return max(complete, key=lambda path: int(path.name))


def history_path(model: Path) -> Path:
    """Where a SavedModel keeps what was known of users and items when its training ended.

    Example:
        >>> history_path(Path("served/1")).as_posix()
        'served/1/assets.extra/history.parquet'
    """
    return model / "assets.extra" / HISTORY_FILE


def read_examples(files: Sequence[Path], batch_size: int = _BATCH_SIZE) -> Iterator[tf.Tensor]:
    """Serialized examples [B], in the order of the files.

    Args:
        files: TFRecord files, all gzipped or all plain.
        batch_size: B.
    """
    paths = [str(path) for path in files]
    is_gzip = all(path.endswith(GZIP_SUFFIX) for path in paths)
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP" if is_gzip else "")
    yield from records.batch(batch_size)


def parse_columns(examples: tf.Tensor, spec: dict[str, Any]) -> dict[str, np.ndarray]:
    """Some features of serialized examples, as arrays [B].

    Args:
        examples: [B].
        spec: feature -> tf.io.FixedLenFeature.
    """
    return {name: value.numpy() for name, value in tf.io.parse_example(examples, spec).items()}


def key_and_label_spec(config: DataConfig) -> dict[str, Any]:
    """What to parse for an impression's keys, and for each task's label and weight."""
    spec = {
        key: tf.io.FixedLenFeature([], tf.int64 if key == TIMESTAMP else tf.string) for key in KEYS
    }
    for task in config.tasks:
        for name in (label_name(task), weight_name(task)):
            spec[name] = tf.io.FixedLenFeature([], tf.float32)
    return spec


def score_examples(
    scorer: ExampleScorer, config: DataConfig, files: Sequence[Path], out: Path
) -> int:
    """Writes one row an impression: its keys, predictions, labels (null if masked), score.

    Args:
        scorer: the model.
        config: of the ranker, for the tasks.
        files: TFRecord files of tf.Examples.
        out: the Parquet file; there once it is complete.

    Returns:
        The number of rows.

    Raises:
        InputError: if `out` cannot be written.
        DiskFullError: if there is no room for it.
    """
    spec, schema = key_and_label_spec(config), _output_schema(config)
    rows = 0
    with (
        write_whole(str(out)) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd") as writer,
    ):
        for examples in read_examples(files):
            columns = parse_columns(examples, spec)
            table = _to_table(config, columns, scorer(examples), schema)
            writer.write_table(table)
            rows += table.num_rows
    return rows


def _output_schema(config: DataConfig) -> pa.Schema:
    fields = [(key, pa.timestamp("ms") if key == TIMESTAMP else pa.string()) for key in KEYS]
    for task in config.tasks:
        fields += [(prediction_name(task), pa.float32()), (label_name(task), pa.float32())]
    return pa.schema([*fields, (SCORE, pa.float32())])


def _to_table(
    config: DataConfig,
    columns: dict[str, np.ndarray],
    predictions: dict[str, np.ndarray],
    schema: pa.Schema,
) -> pa.Table:
    arrays = {key: pa.array(columns[key]).cast(schema.field(key).type) for key in KEYS}
    for task in config.tasks:
        masked = columns[weight_name(task)] == 0
        arrays[prediction_name(task)] = pa.array(predictions[task])
        arrays[label_name(task)] = pa.array(columns[label_name(task)], mask=masked)
    arrays[SCORE] = pa.array(predictions[SCORE])
    return pa.table(arrays, schema=schema)
