"""The join as Beam's own examples do it: a dictionary a row, CoGroupByKey, a tf.train.Example.

python -m benchmarks.ingest.naive_join LOGS OUT GZIP_LEVEL
"""

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf

from benchmarks.ingest.logs import FEEDBACK, IMPRESSIONS, LONG_WATCH
from transforms.engine import make_pipeline

Row = dict[str, Any]
_DAY_MS = 86_400_000


def to_example(grouped: tuple[Any, dict[str, Iterable[Row]]]) -> Iterator[bytes]:
    """The serialised example of one impression."""
    _, tables = grouped
    feedback = list(tables[FEEDBACK])
    for impression in list(tables[IMPRESSIONS])[:1]:
        features = {name: to_feature(value) for name, value in impression.items()}
        for task, label in make_labels(impression, feedback).items():
            features[f"label_{task}"] = to_feature(label)
            features[f"weight_{task}"] = to_feature(1.0)
        yield tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def make_labels(impression: Row, feedback: list[Row]) -> dict[str, float]:
    """The labels of the benchmark's tasks, in a window of a day."""
    delays = [row["timestamp"] - impression["timestamp"] for row in feedback]
    inside = [row for row, delay in zip(feedback, delays, strict=True) if 0 <= delay <= _DAY_MS]
    watched = sum(row["value"] for row in inside if row["event"] == "watch_seconds")
    return {
        "click": float(any(row["event"] == "click" for row in inside)),
        "like": float(any(row["event"] == "like" for row in inside)),
        "long_watch": float(watched >= LONG_WATCH),
        "watch_seconds": math.log1p(watched),
    }


def to_feature(value: Any) -> tf.train.Feature:
    """A value as a feature, empty where there is none."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    if values and isinstance(values[0], str):
        words = [word.encode() for word in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=words))
    if values and isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def main() -> None:
    logs, out, gzip_level = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with make_pipeline() as pipeline:
        tables = {
            table: (
                pipeline
                | f"Read {table}" >> beam.io.ReadFromParquet(str(logs / table / "*.parquet"))
                | f"Key {table}" >> beam.Map(lambda row: ((row["request_id"], row["item_id"]), row))
            )
            for table in (IMPRESSIONS, FEEDBACK)
        }
        (
            tables
            | "Join" >> beam.CoGroupByKey()
            | "Encode" >> beam.FlatMap(to_example)
            | "Write"
            >> beam.io.WriteToTFRecord(
                str(out / "data_tfrecord"), file_name_suffix=".gz" if gzip_level else ""
            )
        )


if __name__ == "__main__":
    main()
