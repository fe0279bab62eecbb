"""A ranker with everything that a model section can ask for: trained, exported, served."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from conftest import NUM_TRAIN, make_examples, tiny_config, write_examples

from trainer.dataset import read_batches
from trainer.export.save import MANIFEST_FILE, save_ranker
from trainer.train import train
from transforms.transform_examples import transform_examples

pytestmark = pytest.mark.slow


def family_config():
    tiny = tiny_config().model_dump(mode="json")
    tiny["features"]["seen"] = {
        "of": "user",
        "kind": "categorical",
        "multivalued": True,
        "max_values": 3,
        "shares": "category",
        "pooling": "attention",
    }
    tiny["features"]["segment"] |= {"multi_hash": {"hashes": 2, "rows": 20}}
    tiny["tasks"]["like"]["chain"] = {"after": "click", "kind": "esmm"}
    tiny["tasks"]["watch"]["chain"] = {"after": "click", "kind": "aitm"}
    changes = {
        "features": tiny["features"],
        "tasks": tiny["tasks"],
        "model": tiny["model"] | {"own_experts": 1, "extraction_levels": 2},
        "training": tiny["training"] | {"max_epochs": 2, "loss_balance": "uncertainty"},
        "gate": {"kind": "dselect_k", "experts_per_task": 1, "beta_steps": 10},
    }
    return tiny_config(**changes)


def with_seen(examples: list[bytes]) -> list[bytes]:
    """Users have seen a few categories, some of which nobody ever showed."""
    rng, found = np.random.default_rng(3), []
    for example in map(tf.train.Example.FromString, examples):
        words = [f"c{i}".encode() for i in rng.integers(10, size=rng.integers(4))]
        example.features.feature["seen"].bytes_list.value[:] = words
        found.append(example.SerializeToString())
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    examples, config = with_seen(make_examples(3000, seed=0)), family_config()
    raw = {
        "train": [write_examples(folder / "train.gz", examples[:NUM_TRAIN])],
        "eval": [write_examples(folder / "eval.gz", examples[NUM_TRAIN:])],
    }
    transform_examples(config.data_config(), raw, folder / "transform")
    transform = tft.TFTransformOutput(str(folder / "transform"))
    files = {s: [str(folder / "transform" / f"{s}-*")] for s in raw}
    ranker, record = train(
        config.trainer_config("candidate"), transform, *files.values(), folder / "run"
    )
    models = {}
    for name in ("pruned", "full"):
        save_ranker(ranker, transform, folder / name, pruned=name == "pruned")
        models[name] = tf.saved_model.load(str(folder / name))
    manifest = json.loads((folder / "pruned" / MANIFEST_FILE).read_text())
    return examples, models, manifest, record, (files, transform), folder


def predict(model, examples, signature="serving_default"):
    outputs = model.signatures[signature](examples=tf.constant(examples))
    return {name: value.numpy() for name, value in outputs.items()}


def test_the_pruned_model_equals_the_full_one(served):
    examples, models, manifest, record, *_ = served
    pruned, full = (predict(models[name], examples) for name in ("pruned", "full"))
    for name in full:
        np.testing.assert_allclose(pruned[name], full[name], atol=1e-5)
    assert record["epochs"][-1]["converged"]
    assert record["expert_owners"] == manifest["expert_owners"]
    assert manifest["num_experts"] == 4 + 3
    assert len(manifest["lower_unions"]) == 1
    assert manifest["parameters"]["pruned"] < manifest["parameters"]["full"]


def test_a_task_alone_agrees_with_the_whole(served):
    examples, models, *_ = served
    whole = predict(models["pruned"], examples[:50])
    for task in ("click", "like", "watch"):
        part = predict(models["pruned"], examples[:50], f"predict_{task}")
        assert list(part) == [task]
        np.testing.assert_allclose(part[task], whole[task], atol=1e-5)
    assert (whole["like"] <= whole["click"]).all()


def test_a_list_has_the_ids_of_the_feature_it_shares_with(served):
    *_, (files, transform), _ = served
    (batch,) = read_batches(files["eval"], transform, 500)
    shown, seen = batch["category"].numpy(), batch["seen"].numpy()
    assert seen.shape == (500, 3)
    assert set(seen.ravel()) - {0} <= set(shown) | {shown.max()}


@pytest.mark.parametrize("size", [1, 20])
def test_rank_agrees_with_the_same_impressions_as_examples(served, size):
    examples, models, *_ = served
    rows = [tf.train.Example.FromString(e) for e in examples[:size]]
    user = tf.train.Example.FromString(examples[9])

    def number(example, name):
        return (example.features.feature[name].float_list.value[:] or [float("nan")])[0]

    def words(example, name, width):
        return (list(example.features.feature[name].bytes_list.value) + [b""] * width)[:width]

    columns = {n: tf.constant([number(user, n)]) for n in ("age", "income", "hour")}
    columns |= {
        "segment": tf.constant(words(user, "segment", 1)),
        "seen": tf.constant([words(user, "seen", 3)]),
        "recent": tf.constant([words(user, "recent", 4)]),
        "price": tf.constant([number(row, "price") for row in rows], tf.float32),
        "category": tf.constant([words(row, "category", 1)[0] for row in rows]),
        "tags": tf.constant([words(row, "tags", 3) for row in rows]),
    }
    ranked = models["pruned"].signatures["rank"](**columns)
    for row in rows:
        for name in ("age", "income", "hour", "segment", "seen", "recent"):
            row.features.feature[name].CopyFrom(user.features.feature[name])
        row.features.feature["position"].int64_list.value[:] = [1]
    expected = predict(models["pruned"], [row.SerializeToString() for row in rows])
    for name in expected:
        np.testing.assert_allclose(ranked[name], expected[name], atol=1e-5)


def test_what_is_only_for_training_is_not_served(served):
    *_, folder = served
    names = [n for n, _ in tf.train.list_variables(str(folder / "pruned/variables/variables"))]
    assert any("levels" in name for name in names)
    assert not any("log_variance" in name for name in names)
