"""TFX's steps read and write examples by files: the same rows, in the same order."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.public import tfxio

from transforms.engine import make_pipeline
from transforms.example_files.reading import (
    PLACE,
    ExampleFiles,
    find_example_files,
    split_place,
)
from transforms.example_files.writing import WriteExamples

SCHEMA = schema_utils.schema_from_feature_spec(
    {
        "id": tf.io.FixedLenFeature([], tf.int64),
        "words": tf.io.VarLenFeature(tf.string),
        "unused": tf.io.FixedLenFeature([], tf.float32),
    }
)
ROWS = (2500, 0, 3)
FOUND: list[pa.RecordBatch] = []


def make_example(number: int) -> bytes:
    features = tf.train.Features()
    features.feature["id"].int64_list.value.append(number)
    features.feature["unused"].float_list.value.append(number / 2)
    words = [b"w" * (number % 7)] * (number % 3)
    features.feature["words"].bytes_list.value.extend(words)
    return tf.train.Example(features=features).SerializeToString()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """Three files, the second without rows, the last not compressed."""
    folder, first = tmp_path_factory.mktemp("raw"), 0
    for number, rows in enumerate(ROWS):
        path = folder / f"raw-{number}{'' if number == 2 else '.gz'}"
        with tf.io.TFRecordWriter(str(path), "" if number == 2 else "GZIP") as writer:
            for row in range(first, first + rows):
                writer.write(make_example(row))
        first += rows
    return find_example_files(str(folder / "raw-*"))


def collect(source: tfxio.TFXIO) -> list[pa.RecordBatch]:
    """The batches, in the order in which they come."""
    FOUND.clear()
    with make_pipeline() as pipeline:
        pipeline | source.BeamSource() | beam.Map(keep)
    return list(FOUND)


def keep(batch: pa.RecordBatch) -> None:
    FOUND.append(batch)


def as_rows(batches: list[pa.RecordBatch], *leave_out: str) -> list[dict]:
    rows = [row for batch in batches for row in batch.drop_columns(leave_out).to_pylist()]
    return sorted(rows, key=lambda row: row["id"])


@pytest.mark.parametrize("schema", [SCHEMA, None], ids=["schema", "no schema"])
def test_the_rows_are_those_that_tfx_reads(files, schema):
    theirs = collect(tfxio.TFExampleRecord(files, schema=schema))
    ours = collect(ExampleFiles(files, schema))
    assert len(as_rows(ours)) == sum(ROWS)
    assert as_rows(ours) == as_rows(theirs)


def test_every_row_has_its_place(files):
    for batch in collect(ExampleFiles(files, SCHEMA, with_places=True)):
        for place, number in zip(batch[PLACE].to_pylist(), batch["id"].to_pylist(), strict=True):
            file, row = split_place(place[0])
            assert number == [sum(ROWS[:file]) + row]


def test_only_the_columns_asked_for_are_read(files):
    source = ExampleFiles(files, SCHEMA, with_places=True).Project(["id"])
    assert source.TensorRepresentations().keys() == {"id"}
    assert {tuple(batch.schema.names) for batch in collect(source)} == {("id", PLACE)}
    assert source.ArrowSchema().names == ["id", PLACE]


def transform(files: list[str], folder) -> list[str]:
    """What TensorFlow Transform makes of the files: twice the number, and the words."""
    source = ExampleFiles(files, SCHEMA, with_places=True)
    context = tft_beam.Context(temp_dir=str(folder / "temp"), passthrough_keys={PLACE})
    with make_pipeline() as pipeline, context:
        data = pipeline | source.BeamSource(), source.TensorAdapterConfig()
        (transformed, metadata), _ = data | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: {"twice": inputs["id"] * 2, "words": inputs["words"]},
            output_record_batches=True,
        )
        transformed | WriteExamples(metadata.schema, str(folder / "out"), len(files))
    return find_example_files(str(folder / "out*"))


def read_numbers(path: str) -> list[int]:
    records = tf.data.TFRecordDataset(path, "GZIP").as_numpy_iterator()
    examples = map(tf.train.Example.FromString, records)
    return [example.features.feature["twice"].int64_list.value[0] for example in examples]


def test_a_file_becomes_a_file_and_rows_keep_their_order(files, tmp_path):
    written = transform(files, tmp_path)
    assert [path.rpartition("/")[2] for path in written] == [
        "out-00000-of-00003.gz",
        "out-00002-of-00003.gz",
    ]
    numbers = np.arange(sum(ROWS)) * 2
    assert read_numbers(written[0]) == numbers[: ROWS[0]].tolist()
    assert read_numbers(written[1]) == numbers[-ROWS[2] :].tolist()
    assert not list(tmp_path.glob(".out*"))


def test_no_row_at_all_leaves_one_empty_file(files, tmp_path):
    (written,) = transform([files[1]], tmp_path)
    assert read_numbers(written) == []


def test_batches_of_one_file_in_two_bundles_are_an_error(files, tmp_path):
    batches = collect(ExampleFiles(files, SCHEMA, with_places=True))
    with pytest.raises(Exception, match="no batch of this file"), make_pipeline() as pipeline:
        (
            pipeline
            | beam.Create([(batches[1], {})])
            | WriteExamples(SCHEMA, str(tmp_path / "out"), len(files))
        )
    assert not list(tmp_path.iterdir())
