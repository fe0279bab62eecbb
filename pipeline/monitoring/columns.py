"""Labels and logged predictions of served impressions, and which labels still wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.evaluation.rows import Floats
from pipeline.monitoring.served import MODEL_VERSION, ServedLog
from serving.bulk_scoring.rows import key_and_label_spec
from serving.bulk_scoring.scorer import parse_columns, read_examples
from transforms.examples import (
    POSITION,
    TIMESTAMP,
    USER_ID,
    label_name,
    prediction_name,
    weight_name,
)
from transforms.tasks import Task

UNKNOWN_VERSION = "unknown"
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class TaskColumns:
    """One task's columns.

    Attributes:
        labels: [R].
        exists: [R] whether there is a label, as far as feedback is known.
        waits: [R] whether feedback may still change it, or that it exists.
        predictions: [R] as logged; NaN where that was no number.
    """

    labels: Floats
    exists: Flags
    waits: Flags
    predictions: Floats


@dataclass(frozen=True)
class ServedColumns:
    """All served impressions.

    Attributes:
        users: [R].
        versions: [R] the model's.
        is_first: [R] whether it was shown first.
        tasks: the tasks whose predictions were logged.
    """

    users: NDArray[Any]
    versions: NDArray[Any]
    is_first: Flags
    tasks: Mapping[str, TaskColumns]


def read_served(files: Sequence[Path], served: ServedLog, known_until: int) -> ServedColumns:
    """Reads what ingestion wrote of a request log.

    Args:
        files: of tf.Examples, at least one example.
        served: what of the log was read.
        known_until: all feedback before this millisecond is known.
    """
    tasks = served.predicted
    spec: dict[str, Any] = key_and_label_spec(tasks) | {
        MODEL_VERSION: tf.io.FixedLenFeature([], tf.string, UNKNOWN_VERSION),
        POSITION: tf.io.FixedLenFeature([], tf.int64, 0),
    }
    for task in tasks:
        spec[prediction_name(task)] = tf.io.FixedLenFeature([], tf.float32, float("nan"))
    batches = [parse_columns(batch, spec) for batch in read_examples(files)]
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in spec}
    return ServedColumns(
        users=columns[USER_ID],
        versions=columns[MODEL_VERSION].astype(str),
        is_first=columns[POSITION] <= 1,
        tasks={
            task: TaskColumns(
                labels=columns[label_name(task)].astype(np.float64),
                exists=columns[weight_name(task)] > 0,
                waits=waits(columns[TIMESTAMP], known_until, label_window(task, served.data.tasks)),
                predictions=columns[prediction_name(task)].astype(np.float64),
            )
            for task in tasks
        },
    )


def waits(times: NDArray[Any], known_until: int, window: int) -> Flags:
    """Whose labels feedback may still change: those shown less than a window before the end.

    An impression of these with a click is no positive yet, as one without is no negative: to
    count the first alone would make every fresh day look better than it was.

    Args:
        times: of the impressions, milliseconds, [R].
        known_until: all feedback before this millisecond is known.
        window: of the label, milliseconds.

    Example:
        >>> waits(np.array([1000, 4000, 4001]), known_until=5000, window=1000).tolist()
        [False, False, True]
    """
    flags: Flags = times + window > known_until
    return flags


def label_window(task: str, tasks: Mapping[str, Task]) -> int:
    """For how many milliseconds feedback can change a label, or the label that masks it.

    Args:
        task: whose label.
        tasks: of the ranker.
    """
    window = round(tasks[task].label.window.total_seconds() * 1000)
    mask = tasks[task].mask
    return max(window, label_window(mask.task, tasks)) if mask and mask.task else window
