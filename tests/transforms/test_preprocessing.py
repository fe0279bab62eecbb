"""What the model sees of numbers, words and lists, for training and for one served row."""

import tempfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from ingest_inputs import CLICK, make_config
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from transforms.examples import POSITION, label_name, weight_name
from transforms.preprocessing import missing_name, num_ids, preprocessing_fn

NUMBER = {"of": "item", "kind": "numeric"}
LAST = {"of": "user", "kind": "sequence", "by": "user_id"}
FEATURES = {
    "age": NUMBER | {"of": "user", "missing_indicator": True},
    "price": NUMBER | {"transform": "log_z_score"},
    "never": NUMBER,
    "plain": NUMBER | {"transform": "identity"},
    "band": NUMBER | {"transform": "buckets", "num_buckets": 2},
    "city": {"of": "user", "kind": "categorical", "min_count": 2},
    "tags": {"of": "item", "kind": "categorical", "multivalued": True, "max_values": 2},
    "hashed": {"of": "item", "kind": "categorical", "hash_buckets": 5},
    "last_cities": LAST | {"column": "city", "length": 4},
    "last_hashed": LAST | {"column": "hashed", "length": 2},
}
CONFIG = make_config(tasks={"click": CLICK}, features=FEATURES)
NAN = float("nan")
ROWS = [
    {"age": 20.0, "price": 0.0, "plain": 1.5, "band": 1.0, "city": "a", "tags": ["x", "y", "z"]},
    {"age": 40.0, "price": NAN, "plain": NAN, "band": 2.0, "city": "a", "tags": []},
    {"age": NAN, "price": -9.0, "plain": -1.0, "band": 8.0, "city": "b", "tags": ["x"]},
    {"age": np.inf, "price": 99.0, "plain": 0.0, "band": NAN, "city": "", "tags": ["z", "x"]},
]


@pytest.fixture(scope="module")
def analysed():
    """The analysed graph, and what it makes of the rows it was analysed on."""
    spec = {
        name: tf.io.FixedLenFeature([], tf.float32)
        for name in ("age", "price", "never", "plain", "band", label_name("click"))
    }
    spec |= {name: tf.io.FixedLenFeature([], tf.string) for name in ("city", "hashed")}
    spec |= {"tags": tf.io.VarLenFeature(tf.string), POSITION: tf.io.FixedLenFeature([], tf.int64)}
    spec |= {name: tf.io.VarLenFeature(tf.string) for name in ("last_cities", "last_hashed")}
    spec[weight_name("click")] = tf.io.FixedLenFeature([], tf.float32)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    lists = [["b", "", "a"], [], ["never", "b", "a", "a", "b"], ["a"]]
    known = {"never": NAN, "hashed": "h", label_name("click"): 0.0, weight_name("click"): 1.0}
    rows = [
        row | known | {POSITION: 1, "last_cities": cities, "last_hashed": ["h"] * len(cities)}
        for row, cities in zip(ROWS, lists, strict=True)
    ]
    custom = {"data": CONFIG.model_dump_json()}
    with tempfile.TemporaryDirectory() as folder, tft_beam.Context(temp_dir=f"{folder}/tmp"):
        (outputs, _), transform_fn = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, custom)
        )
        transform_fn | tft_beam.WriteTransformFn(folder)
        yield (
            tft.TFTransformOutput(folder),
            {n: np.array([r[n] for r in outputs]) for n in outputs[0]},
        )


def test_a_missing_number_neither_moves_the_mean_nor_is_one(analysed):
    _, outputs = analysed
    np.testing.assert_allclose(outputs["age"], [-1.0, 1.0, 0.0, 0.0], atol=1e-6)
    assert outputs[missing_name("age")].tolist() == [0, 0, 1, 0]
    logs = np.log1p([0.0, 9.0, 99.0]) * [1, -1, 1]
    scores = (logs - logs.mean()) / logs.std()
    np.testing.assert_allclose(outputs["price"], [scores[0], 0.0, *scores[1:]], atol=1e-5)
    np.testing.assert_allclose(outputs["plain"], [1.5, 0.0, -1.0, 0.0])


def test_a_missing_number_has_its_own_bucket(analysed):
    _, outputs = analysed
    assert outputs["band"][3] == 0
    assert (outputs["band"][:3] >= 1).all()
    assert outputs["band"][0] < outputs["band"][2]


def test_words_become_ids_by_frequency_and_unknown_ones_share_the_last(analysed):
    transform, outputs = analysed
    assert outputs["city"].tolist() == [1, 1, 2, 0]
    assert num_ids(CONFIG.features["city"], "city", transform) == 3
    assert outputs["tags"].shape == (4, 2)
    x = outputs["tags"][2, 0]
    assert outputs["tags"][:, 0].tolist() == [x, 0, x, outputs["tags"][3, 0]]
    assert outputs["tags"][3, 1] == x
    assert ((outputs["hashed"] >= 1) & (outputs["hashed"] <= 5)).all()


def test_a_sequence_has_the_ids_of_its_column_in_the_order_told(analysed):
    """Its own words are not counted: `b` stays too rare for the vocabulary of cities."""
    transform, outputs = analysed
    assert outputs["last_cities"].tolist() == [
        [2, 0, 1, 0], [0, 0, 0, 0], [2, 2, 1, 1], [1, 0, 0, 0]
    ]  # fmt: skip
    hashed = outputs["hashed"][0]
    assert outputs["last_hashed"].tolist() == [[hashed, hashed], [0, 0], [hashed] * 2, [hashed, 0]]
    served = transform.transform_features_layer()(
        {"last_cities": tf.sparse.from_dense([["", "b", "a", ""]])}
    )
    assert served["last_cities"].numpy().tolist() == [[0, 2, 1, 0]]


def test_a_column_that_training_never_saw_scores_zero_at_serving(analysed):
    transform, _ = analysed
    served = transform.transform_features_layer()({"never": tf.constant([123.0, NAN])})
    assert served["never"].numpy().tolist() == [0.0, 0.0]


def test_one_feature_is_transformed_without_the_others(analysed):
    transform, _ = analysed
    served = transform.transform_features_layer()({"age": tf.constant([20.0, NAN, 1e9])})
    np.testing.assert_allclose(served["age"], [-1.0, 0.0, 10.0], atol=1e-6)
    assert set(served) == {"age", missing_name("age")}
