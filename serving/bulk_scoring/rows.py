"""What bulk scoring writes of each impression."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from transforms.examples import KEYS, SCORE, TIMESTAMP, label_name, prediction_name, weight_name


def key_and_label_spec(tasks: Iterable[str]) -> dict[str, Any]:
    """What to parse for an impression's keys, and for each task's label and weight."""
    spec = {
        key: tf.io.FixedLenFeature([], tf.int64 if key == TIMESTAMP else tf.string) for key in KEYS
    }
    for task in tasks:
        for name in (label_name(task), weight_name(task)):
            spec[name] = tf.io.FixedLenFeature([], tf.float32)
    return spec


def output_schema(tasks: Iterable[str]) -> pa.Schema:
    """The columns: keys, each task's prediction and label, the score."""
    fields = [(key, pa.timestamp("ms") if key == TIMESTAMP else pa.string()) for key in KEYS]
    for task in tasks:
        fields += [(prediction_name(task), pa.float32()), (label_name(task), pa.float32())]
    return pa.schema([*fields, (SCORE, pa.float32())])


def to_table(
    tasks: Iterable[str],
    columns: dict[str, np.ndarray],
    predictions: dict[str, np.ndarray],
    schema: pa.Schema,
) -> pa.Table:
    """One row an impression; a label that does not exist is null.

    Args:
        tasks: of the ranker.
        columns: what `key_and_label_spec` asks for, [B] each.
        predictions: of the tasks, and `score`, [B] each.
        schema: see `output_schema`.
    """
    arrays = {key: pa.array(columns[key]).cast(schema.field(key).type) for key in KEYS}
    for task in tasks:
        masked = columns[weight_name(task)] == 0
        arrays[prediction_name(task)] = pa.array(predictions[task])
        arrays[label_name(task)] = pa.array(columns[label_name(task)], mask=masked)
    arrays[SCORE] = pa.array(predictions[SCORE])
    return pa.table(arrays, schema=schema)
