"""The exported model: pruned equals full, every signature agrees, missing values are allowed."""

import json

import numpy as np
import pytest
import tensorflow as tf

from trainer.export.save import MANIFEST_FILE, save_ranker

TASKS = ["click", "like", "watch"]


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp(name) for name in ("pruned", "full")}
    for name, folder in folders.items():
        save_ranker(trained.ranker, trained.transform, folder, pruned=name == "pruned")
    return folders


@pytest.fixture(scope="module")
def pruned(exported):
    return tf.saved_model.load(str(exported["pruned"]))


@pytest.fixture(scope="module")
def full(exported):
    return tf.saved_model.load(str(exported["full"]))


def serve(model, examples, signature="serving_default"):
    outputs = model.signatures[signature](examples=tf.constant(examples))
    return {name: value.numpy() for name, value in outputs.items()}


def test_the_pruned_model_equals_the_full_one(trained, pruned, full):
    left, right = serve(pruned, trained.examples), serve(full, trained.examples)
    for name in left:
        np.testing.assert_allclose(left[name], right[name], atol=1e-5)


def test_the_pruned_model_is_smaller(exported, trained):
    manifest = json.loads((exported["pruned"] / MANIFEST_FILE).read_text())
    assert sorted(manifest["union"] + manifest["skipped"]) == [0, 1, 2, 3]
    assert set(manifest["union"]) == {e for t in manifest["tasks"].values() for e in t["experts"]}
    for task in manifest["tasks"].values():
        assert len(task["experts"]) <= 2
    if manifest["skipped"]:
        assert manifest["parameters"]["pruned"] < manifest["parameters"]["full"]


def test_a_task_or_group_alone_agrees_with_the_whole(trained, pruned):
    examples = trained.examples[:100]
    whole = serve(pruned, examples)
    for signature, tasks in {
        "predict_click": ["click"],
        "predict_like": ["like"],
        "predict_watch": ["watch"],
        "predict_engagement": ["click", "watch"],
        "predict_satisfaction": ["like"],
    }.items():
        part = serve(pruned, examples, signature)
        assert sorted(part) == sorted(tasks)
        for task in tasks:
            np.testing.assert_allclose(part[task], whole[task], atol=1e-5)


def test_the_score_is_the_formula(trained, pruned):
    outputs = serve(pruned, trained.examples[:100])
    expected = outputs["click"] + 2 * outputs["like"] + np.log(1 + np.maximum(outputs["watch"], 0))
    np.testing.assert_allclose(outputs["score"], expected, rtol=1e-5)


def test_predictions_of_classification_are_probabilities_near_the_base_rate(trained, pruned):
    outputs = serve(pruned, trained.examples)
    assert ((outputs["click"] > 0) & (outputs["click"] < 1)).all()
    labels = [
        tf.train.Example.FromString(e).features.feature["label_click"].float_list.value[0]
        for e in trained.examples
    ]
    np.testing.assert_allclose(outputs["click"].mean(), np.mean(labels), rtol=0.15)


def columns_of(user: tf.train.Example, items: list[tf.train.Example]) -> dict[str, tf.Tensor]:
    def number(example, name):
        return (example.features.feature[name].float_list.value[:] or [float("nan")])[0]

    def words(example, name, width):
        values = list(example.features.feature[name].bytes_list.value)
        return (values + [b""] * width)[:width]

    return {
        "age": tf.constant([number(user, "age")]),
        "income": tf.constant([number(user, "income")]),
        "hour": tf.constant([number(user, "hour")]),
        "segment": tf.constant(words(user, "segment", 1)),
        "recent": tf.constant([words(user, "recent", 4)]),
        "price": tf.constant([number(item, "price") for item in items], tf.float32),
        "category": tf.constant([words(item, "category", 1)[0] for item in items], tf.string),
        "tags": tf.constant(np.array([words(item, "tags", 3) for item in items]).reshape(-1, 3)),
    }


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_rank_agrees_with_the_same_impressions_as_examples(trained, pruned, size):
    rows = [tf.train.Example.FromString(e) for e in trained.examples[:size]]
    user = tf.train.Example.FromString(trained.examples[8])
    ranked = pruned.signatures["rank"](**columns_of(user, rows))
    for row in rows:
        for name in ("age", "income", "hour", "segment", "recent"):
            row.features.feature[name].CopyFrom(user.features.feature[name])
        row.features.feature["position"].int64_list.value[:] = [1]
    expected = serve(pruned, [row.SerializeToString() for row in rows])
    for name in expected:
        np.testing.assert_allclose(ranked[name], expected[name], atol=1e-5)


def test_an_example_without_any_feature_is_predicted(pruned):
    outputs = serve(pruned, [tf.train.Example().SerializeToString()])
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_unknown_words_are_predicted(pruned):
    example = tf.train.Example()
    for name in ("category", "segment", "tags"):
        example.features.feature[name].bytes_list.value[:] = ["never seen \N{SNOWMAN}".encode()]
    outputs = serve(pruned, [example.SerializeToString()])
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_no_example_gives_no_prediction(pruned):
    assert serve(pruned, np.array([], dtype=object).astype("S"))["score"].shape == (0,)


def test_examples_are_predicted_one_by_one_as_in_a_batch(trained, pruned):
    together = serve(pruned, trained.examples[:20])
    for i in range(20):
        alone = serve(pruned, trained.examples[i : i + 1])
        for name in TASKS:
            np.testing.assert_allclose(alone[name][0], together[name][i], atol=1e-5)
