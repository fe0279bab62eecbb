"""The keys by which histories are kept, and what each impression tells its keys."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.config import DataConfig
from transforms.examples import TIMESTAMP, label_name
from transforms.features import HistoryFeature, SequenceFeature
from transforms.ingest.joining.labels import Feedback, Labels, known_after
from transforms.ingest.rows.arrays import Flags
from transforms.ingest.rows.columns import feature_column, key_column
from transforms.ingest.rows.hashing import hash_text

KEY, SHARD, PLACE = "key", "shard", "place"
_SALT = "history:"
_SEPARATOR = "\x1f"


class Stream(NamedTuple):
    """The sequences of the same impressions.

    Attributes:
        task: impressions count whose label is positive; without one, all.
        columns: the features whose words are kept, in alphabetical order.
        length: of the longest sequence.
    """

    task: str | None
    columns: tuple[str, ...]
    length: int


class Window(NamedTuple):
    """What is added up step by step of a window.

    Attributes:
        step: milliseconds.
        task: whose labels; without one, impressions.
    """

    step: int
    task: str | None


class KeySet(NamedTuple):
    """The histories that are kept by the same columns.

    Attributes:
        by: the columns of the key.
        features: those histories.
    """

    by: tuple[str, ...]
    features: dict[str, HistoryFeature | SequenceFeature]

    @property
    def name(self) -> str:
        """Of the key, in the file of the history."""
        return ",".join(self.by)

    @property
    def numbers(self) -> dict[str, HistoryFeature]:
        """The features that are numbers."""
        return {n: f for n, f in self.features.items() if isinstance(f, HistoryFeature)}

    @property
    def sequences(self) -> dict[str, SequenceFeature]:
        """The features that are lists of words."""
        return {n: f for n, f in self.features.items() if isinstance(f, SequenceFeature)}

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose labels are needed, in alphabetical order."""
        return tuple(sorted({f.task for f in self.features.values() if f.task is not None}))

    @property
    def mean_tasks(self) -> tuple[str, ...]:
        """The tasks with a mean, in alphabetical order."""
        return tuple(sorted({f.task for f in self.numbers.values() if f.task is not None}))

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What sequences are cut out of, one a task."""
        found: dict[str | None, list[SequenceFeature]] = {}
        for feature in self.sequences.values():
            found.setdefault(feature.task, []).append(feature)
        streams = []
        for task, features in sorted(found.items(), key=lambda item: item[0] or ""):
            columns = tuple(sorted({feature.column for feature in features}))
            streams.append(Stream(task, columns, max(f.length for f in features)))
        return tuple(streams)

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows there are, each once."""
        found = {Window(f.step, f.task) for f in self.numbers.values() if f.step is not None}
        return tuple(sorted(found, key=lambda window: (window.step, window.task or "")))

    @property
    def schema(self) -> pa.Schema:
        """What an impression tells its key.

        `key` is the hash, `shard` and `place` where the impression is, `time` in
        milliseconds; a task's label is null where it is masked, and known so many
        milliseconds after the impression. A word is null where no sequence wants it.
        """
        labels = [(label_name(task), pa.float32()) for task in self.tasks]
        known = [(known_name(task), pa.int64()) for task in self.tasks]
        columns = sorted({column for stream in self.streams for column in stream.columns})
        words = [(feature_column(column), pa.string()) for column in columns]
        row = [(KEY, pa.uint64()), (SHARD, pa.int32()), (PLACE, pa.int64())]
        return pa.schema([*row, (TIMESTAMP, pa.int64()), *labels, *known, *words])


def known_name(task: str) -> str:
    """The column that says how long after the impression the task's label was known."""
    return f"known_{task}"


def key_sets(config: DataConfig) -> tuple[KeySet, ...]:
    """The histories by their keys, in the order of the YAML."""
    found: dict[tuple[str, ...], dict[str, HistoryFeature | SequenceFeature]] = {}
    for name, feature in config.history_features.items():
        found.setdefault(feature.key, {})[name] = feature
    return tuple(KeySet(by, features) for by, features in found.items())


def make_key_rows(
    key_set: KeySet,
    shard: int,
    impressions: pa.RecordBatch,
    labels: dict[str, Labels],
    feedback: Feedback,
    config: DataConfig,
) -> pa.RecordBatch:
    """What the impressions of a partition tell their keys.

    Args:
        key_set: the keys.
        shard: names the partition.
        impressions: [n], in the order of the examples.
        labels: of each task.
        feedback: of the partition.
        config: the tasks.

    Returns:
        One row an impression whose key is complete; see `KeySet.schema`.
    """
    texts = [impressions.column(key_column(column)) for column in key_set.by]
    # Null where one of the columns is missing.
    text = pc.binary_join_element_wise(*texts, _SEPARATOR)
    places = np.flatnonzero(text.is_valid().to_numpy(zero_copy_only=False))
    columns = {
        KEY: pa.array(hash_text(text.take(pa.array(places)), f"{_SALT}{key_set.name}:")),
        SHARD: pa.repeat(pa.scalar(shard, pa.int32()), len(places)),
        PLACE: pa.array(places),
        TIMESTAMP: impressions.column(TIMESTAMP).take(pa.array(places)),
    }
    for task in key_set.tasks:
        label, weight = (values[places] for values in labels[task])
        delay = known_after(task, impressions.num_rows, feedback, config)
        columns[label_name(task)] = pa.array(label, mask=weight == 0)
        columns[known_name(task)] = pa.array(delay[places])
    for column, wanted in _wanted_words(key_set, labels, impressions.num_rows).items():
        kept = pa.array(places, mask=~wanted[places])
        columns[feature_column(column)] = impressions.column(feature_column(column)).take(kept)
    return pa.record_batch([columns[name] for name in key_set.schema.names], schema=key_set.schema)


def _wanted_words(key_set: KeySet, labels: dict[str, Labels], size: int) -> dict[str, Flags]:
    """Column -> which of its words some sequence wants, [n]."""
    wanted: dict[str, Flags] = {}
    for stream in key_set.streams:
        counts = np.ones(size, dtype=bool)
        if stream.task is not None:
            label, weight = labels[stream.task]
            counts = (label > 0) & (weight > 0)
        for column in stream.columns:
            wanted[column] = wanted.get(column, False) | counts
    return wanted
