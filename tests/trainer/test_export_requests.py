"""What TensorFlow Serving finds in an exported model: methods by name, requests to warm up with."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from trainer.export.save import save_ranker


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported")
    save_ranker(trained.ranker, trained.transform, path, pruned=True)
    return path


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(str(folder)).signatures


def test_each_task_has_the_method_of_its_kind(folder):
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    methods = {k: d.method_name for k, d in saved.meta_graphs[0].signature_def.items()}
    assert {k: m for k, m in methods.items() if not m.endswith("/predict")} == {
        "__saved_model_init_op": "",
        "classify_click": "tensorflow/serving/classify",
        "classify_like": "tensorflow/serving/classify",
        "regress_watch": "tensorflow/serving/regress",
    }


def test_classes_and_their_scores_are_the_prediction(trained, signatures):
    examples = tf.constant(trained.examples[:50])
    outputs = signatures["classify_click"](inputs=examples)
    click = signatures["predict_click"](examples=examples)["click"].numpy()
    np.testing.assert_allclose(outputs["scores"], np.stack([1 - click, click], 1), atol=1e-6)
    assert outputs["classes"].numpy().tolist() == [[b"0", b"1"]] * 50


def test_a_regression_is_the_prediction(trained, signatures):
    examples = tf.constant(trained.examples[:50])
    outputs = signatures["regress_watch"](inputs=examples)["outputs"]
    watch = signatures["predict_watch"](examples=examples)["watch"]
    np.testing.assert_allclose(outputs, watch, atol=1e-6)


def test_the_requests_to_warm_up_with_are_answered(folder, signatures):
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    asked = []
    for log in logs:
        request = log.predict_log.request
        name = request.model_spec.signature_name
        inputs = {
            alias: tf.constant(tf.make_ndarray(proto), tf.dtypes.as_dtype(proto.dtype))
            for alias, proto in request.inputs.items()
        }
        score = signatures[name](**inputs)["score"]
        assert np.isfinite(score).all()
        asked.append((name, len(score)))
    assert asked == [("serving_default", 1), ("rank", 1), ("rank", 100)]
