"""What the model sees of a history: the z-score of a rate's logit, 0 where nothing is known."""

import tempfile

import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from ingest_inputs import CLICK, make_config
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from transforms.examples import POSITION, label_name, weight_name
from transforms.preprocessing import preprocessing_fn
from transforms.schema import make_schema

RATE = {
    "of": "user",
    "kind": "history",
    "by": "user_id",
    "statistic": "mean",
    "task": "click",
    "transform": "logit_z_score",
    "missing_indicator": True,
}
CONFIG = make_config(tasks={"click": CLICK}, features={"rate": RATE})


def transformed(rates):
    """The transformed `rate` and `rate_missing`, both [n]."""
    rows = [
        {"rate": rate, POSITION: 1, label_name("click"): 0.0, weight_name("click"): 1.0}
        for rate in rates
    ]
    spec = {
        name: tf.io.FixedLenFeature([], tf.int64 if name == POSITION else tf.float32)
        for name in rows[0]
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    custom = {"data": CONFIG.model_dump_json()}
    with tempfile.TemporaryDirectory() as folder, tft_beam.Context(temp_dir=folder):
        (outputs, _), _ = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, custom)
        )
    return [np.array([row[name] for row in outputs]) for name in ("rate", "rate_missing")]


def test_a_rate_becomes_the_z_score_of_its_logit():
    rates = np.array([0.0, 0.1, 0.5, 0.9, 1.0, np.nan])
    numbers, missing = transformed(rates)
    cut = np.clip(rates[:5], 1e-4, 1 - 1e-4)
    logit = np.log(cut / (1 - cut))
    np.testing.assert_allclose(numbers[:5], (logit - logit.mean()) / logit.std(), atol=1e-4)
    assert numbers[5] == 0.0
    assert missing.tolist() == [0, 0, 0, 0, 0, 1]


def test_the_schema_holds_a_history_as_a_number_that_may_be_absent():
    (feature,) = (f for f in make_schema(CONFIG).feature if f.name == "rate")
    assert feature.type == 3  # FLOAT
    assert feature.presence.min_fraction == 0.0
    assert feature.float_domain.disallow_nan
