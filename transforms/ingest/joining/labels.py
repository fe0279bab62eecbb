"""From feedback to labels: attribution windows, aggregation, masks and transforms."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.config import DataConfig
from transforms.examples import TIMESTAMP
from transforms.ingest.rows.arrays import MAX_FLOAT32, Flags, Floats, Ints
from transforms.ingest.rows.columns import EVENT, VALUE, mask_column
from transforms.tasks import Label, Task


class Feedback(NamedTuple):
    """Feedback rows with their impressions, by rising (timestamp, value).

    Attributes:
        owner: place of the impression, int64 [m].
        event: place in `config.events`, [m].
        value: float64 [m].
        delay: milliseconds from the impression to the event, int64 [m]; a little below 0 if
            the clocks differ, which is inside every window.
    """

    owner: Ints
    event: Ints
    value: Floats
    delay: Ints

    def of(self, flags: Flags) -> "Feedback":
        """Some of the rows."""
        return Feedback(self.owner[flags], self.event[flags], self.value[flags], self.delay[flags])


class Attribution(NamedTuple):
    """Which feedback may count.

    Attributes:
        feedback: what is not too early, [m].
        too_early: flags of what is earlier than the clock skew explains, [all].
        is_used: flags of the feedback inside at least one window of its event, [m].
    """

    feedback: Feedback
    too_early: Flags
    is_used: Flags


class Labels(NamedTuple):
    """A task's labels.

    Attributes:
        label: in the transformed space, 0 where there is none, float32 [n].
        weight: 1 where there is a label, else 0, float32 [n].
    """

    label: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]


def attribute(
    impressions: pa.RecordBatch, feedback: pa.RecordBatch, owner: Ints, config: DataConfig
) -> Attribution:
    """Holds feedback against the clock skew and the attribution windows.

    Args:
        impressions: [n].
        feedback: rows with an impression, [all].
        owner: place of the impression of each, [all].
        config: tasks and `logs.clock_skew`.
    """
    shown = impressions.column(TIMESTAMP).to_numpy()[owner]
    delay = feedback.column(TIMESTAMP).to_numpy() - shown
    too_early = delay < -round(config.logs.clock_skew.total_seconds() * 1000)
    event, value = (feedback.column(name).to_numpy() for name in (EVENT, VALUE))
    rows = Feedback(owner, event, value, delay).of(~too_early)
    return Attribution(rows, too_early, rows.delay <= event_windows(config)[rows.event])


def event_windows(config: DataConfig) -> Ints:
    """The longest window of each of `config.events`, milliseconds."""
    windows = np.zeros(len(config.events), dtype=np.int64)
    for task in config.tasks.values():
        events = {task.label.event} | (
            {task.mask.event} if task.mask and task.mask.event else set()
        )
        for event in events:
            place = config.events.index(event)
            windows[place] = max(windows[place], _window(task.label))
    return windows


def make_labels(
    task_name: str, impressions: pa.RecordBatch, feedback: Feedback, config: DataConfig
) -> Labels:
    """Makes the labels of one task.

    label = transform(at_least(aggregate of the event's values inside the window)), the
    default where there is no such event.

    Args:
        task_name: the task.
        impressions: [n].
        feedback: not earlier than its impression, [m].
        config: the tasks.
    """
    task, size = config.tasks[task_name], impressions.num_rows
    inside = feedback.of(feedback.delay <= _window(task.label))
    rows = inside.of(inside.event == config.events.index(task.label.event))
    label, has_event = _aggregate(rows, task.label, size)
    if task.label.at_least is not None:
        label = (label >= task.label.at_least).astype(np.float64)
    default = task.label.value_without_event
    label = np.where(has_event, label, 0.0 if default is None else default)
    if task.label.transform == "log1p":
        label = np.log1p(label)
    exists = _mask(task_name, task, impressions, feedback, config)
    if default is None:
        exists &= has_event
    label = np.where(exists, np.clip(label, -MAX_FLOAT32, MAX_FLOAT32), 0.0)
    return Labels(label.astype(np.float32), exists.astype(np.float32))


def known_after(task_name: str, size: int, feedback: Feedback, config: DataConfig) -> Ints:
    """How long after the impression its label is known, in milliseconds, int64 [n].

    That is when the last event came that had a part in the label or its mask; at once where
    there was none.

    Args:
        task_name: the task.
        size: n, how many impressions there are.
        feedback: not earlier than its impression, [m].
        config: the tasks.
    """
    task = config.tasks[task_name]
    mask = task.mask.event if task.mask else None
    places = [config.events.index(event) for event in (task.label.event, mask) if event]
    inside = feedback.delay <= _window(task.label)
    rows = feedback.of(inside & np.isin(feedback.event, places))
    result = np.zeros(size, dtype=np.int64)
    np.maximum.at(result, rows.owner, rows.delay)
    if task.mask and task.mask.task:
        np.maximum(result, known_after(task.mask.task, size, feedback, config), out=result)
    return result


def _aggregate(rows: Feedback, label: Label, size: int) -> tuple[Floats, Flags]:
    counts = np.bincount(rows.owner, minlength=size)
    result: Floats = np.zeros(size)
    match label.aggregation:
        case "any":
            result[rows.owner[rows.value > 0]] = 1.0
        case "count":
            result += counts
        case "sum":
            result += np.bincount(rows.owner, weights=rows.value, minlength=size)
        case "max":
            result -= np.inf
            np.maximum.at(result, rows.owner, rows.value)
        case "last":
            # Rows rise by time, and of several assignments to a place the last one stays.
            result[rows.owner] = rows.value
    return result, counts > 0


def _mask(
    name: str, task: Task, impressions: pa.RecordBatch, feedback: Feedback, config: DataConfig
) -> Flags:
    exists: Flags = np.ones(impressions.num_rows, dtype=bool)
    if task.mask and task.mask.event:
        inside = feedback.of(feedback.delay <= _window(task.label))
        rows = inside.of(inside.event == config.events.index(task.mask.event))
        exists &= np.bincount(rows.owner, minlength=len(exists)) > 0
    if task.mask and task.mask.task:
        exists &= make_labels(task.mask.task, impressions, feedback, config).label > 0
    if task.mask and task.mask.column:
        exists &= impressions.column(mask_column(name)).to_numpy(zero_copy_only=False)
    return exists


def _window(label: Label) -> int:
    return round(label.window.total_seconds() * 1000)
