"""Bulk scoring: every example of every file once, in order, by one model a process."""

from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from serving.bulk_scoring import score
from serving.bulk_scoring.batches import BatchSize
from serving.bulk_scoring.score import join_parts, read_sized, score_examples
from serving.bulk_scoring.scorer import ExampleScorer
from serving.manifest.keys import VerifyKeys
from transforms.beam import Beam
from transforms.engine import make_pipeline
from transforms.errors import InputError
from transforms.examples import KEYS, label_name, prediction_name, weight_name

TASKS = ("click", "share", "survey")
SIZES = (700, 0, 3)


class Ranker(tf.Module):
    """Every task's prediction is the example's `x`, the score its double."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]
        return {**dict.fromkeys(TASKS, x + 0.0), "score": 2.0 * x}

    @tf.function(input_signature=[{"x": tf.TensorSpec([None], tf.float32, name="x")}])
    def rank(self, columns):
        return {"score": columns["x"]}


def make_example(x: int) -> bytes:
    """Survey has no label, share has one for odd x only."""
    example = tf.train.Example()
    features = example.features.feature
    for key in KEYS:
        if key == "timestamp":
            features[key].int64_list.value[:] = [x]
        else:
            features[key].bytes_list.value[:] = [f"{key} {x}".encode()]
    features["x"].float_list.value[:] = [x]
    for task in TASKS:
        weight = {"survey": 0, "share": x % 2}.get(task, 1)
        features[label_name(task)].float_list.value[:] = [x / 2]
        features[weight_name(task)].float_list.value[:] = [weight]
    return example.SerializeToString()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    ranker = Ranker()
    signatures = {"serving_default": ranker.serve, "rank": ranker.rank}
    tf.saved_model.save(ranker, str(folder / "1"), signatures=signatures)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, first, paths = tmp_path_factory.mktemp("examples"), 0, []
    for number, size in enumerate(SIZES):
        paths.append(folder / f"data-{number}.gz")
        with tf.io.TFRecordWriter(str(paths[-1]), "GZIP") as writer:
            for x in range(first, first + size):
                writer.write(make_example(x))
        first += size
    return paths


@pytest.mark.parametrize("workers", [1, 2])
def test_each_file_becomes_a_file_with_its_rows_in_order(model, files, tmp_path, workers):
    engine = partial(make_pipeline, Beam(workers=workers))
    parts = score_examples(model, TASKS, files, tmp_path / "out", engine)
    assert sorted((tmp_path / "out").iterdir()) == parts
    assert [pq.read_metadata(part).num_rows for part in parts] == list(SIZES)
    rows = join_parts(parts, tmp_path / "all.parquet", TASKS)
    table = pq.read_table(tmp_path / "all.parquet")
    assert rows == table.num_rows == sum(SIZES)
    x = np.arange(rows, dtype=np.float32)
    np.testing.assert_array_equal(table["score"], 2 * x)
    np.testing.assert_array_equal(table[prediction_name("click")], x)
    np.testing.assert_array_equal(table[label_name("click")], x / 2)
    assert table["item_id"].to_pylist() == [f"item_id {i}" for i in range(rows)]
    assert table[label_name("survey")].null_count == rows
    assert table[label_name("share")].is_null().to_pylist() == (x % 2 == 0).tolist()


def test_a_process_loads_the_model_once(model, files, tmp_path, monkeypatch):
    loaded = []

    class Counted(ExampleScorer):
        def __init__(self, folder, keys):
            loaded.append(folder)
            super().__init__(folder)

    monkeypatch.setattr(score, "ExampleScorer", Counted)
    score_examples(model, TASKS, files, tmp_path / "out")
    assert len(loaded) == 1


def test_a_folder_that_cannot_be_written_is_said(model, files, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        score_examples(model, TASKS, files, tmp_path / "file" / "out")


def test_a_worker_that_finds_no_model_says_so(files, tmp_path):
    with pytest.raises(InputError, match="must hold a SavedModel"):
        score_examples(tmp_path, TASKS, files, tmp_path / "out")


def test_a_worker_loads_only_what_is_signed_if_there_is_a_key(model, files, tmp_path):
    with pytest.raises(InputError, match="must be signed"):
        score_examples(model, TASKS, files, tmp_path / "out", keys=VerifyKeys((bytes(32),)))


def test_batches_grow_while_they_are_quick_and_shrink_when_they_are_slow():
    size = BatchSize(seconds=1.0)
    start = size.rows
    size.took(0.1)
    assert size.rows == 2 * start
    size.took(1.1)
    assert size.rows == 2 * start
    size.took(2.5)
    assert size.rows == start
    for _ in range(99):
        size.took(99.0)
    assert size.rows == 32
    for _ in range(99):
        size.took(0.0)
    assert size.rows == 16_384


def test_a_batch_has_the_size_of_the_moment(files):
    size, sizes = BatchSize(seconds=1.0), []
    for batch in read_sized(str(files[0]), size):
        sizes.append(len(batch))
        size.took(3.0)
    assert sizes == [256, 128, 64, 32, *[32] * 6, 28]
    assert sum(sizes) == SIZES[0]
