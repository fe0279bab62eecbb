"""A training that begins from a model has its predictions, wherever words and tasks stand now."""

import numpy as np
import pytest
from warm_rankers import (
    FEATURES,
    GATES,
    NEW,
    OLD,
    assert_same,
    make_config,
    make_ranker,
    predict,
    save,
    start,
    train_a_little,
)

from trainer.checkpoints.fingerprint import take_fingerprint
from trainer.config import TrainerConfig
from trainer.job import TrainJob
from trainer.train import train
from trainer.warm_start.bundle import BASE_FILE
from trainer.warm_start.start import save_base
from trainer.warm_start.variables import name_weights

KEPT = ("a", "c", "d")
LEVELS = {"own_experts": 1, "extraction_levels": 2}
MODELS = {"plain": {}, "own experts": {"own_experts": 2}, "two levels": LEVELS}


def words_of(words):
    return {"item": [word.encode() for word in words]}


@pytest.mark.parametrize("gate", GATES)
def test_old_words_are_predicted_as_before_although_their_ids_have_moved(tmp_path, gate):
    config = make_config(gate=GATES[gate])
    base = make_ranker(config)
    train_a_little(base)
    ranker, report = start(save(base, tmp_path), config, NEW)
    assert_same(predict(ranker, NEW, KEPT), predict(base, OLD, KEPT))
    assert report["fresh"] == report["dropped"] == []
    assert report["axes"]["words of item"] == {"kept": 5 + 1, "new": 2, "gone": 1}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("gate", ["dselect_k, falling beta", "top_k, per example"])
def test_so_are_experts_of_tasks_and_levels(tmp_path, gate, model):
    config = make_config(gate=GATES[gate], model=MODELS[model])
    base = make_ranker(config)
    train_a_little(base)
    ranker, _ = start(save(base, tmp_path), config, NEW)
    assert_same(predict(ranker, NEW, KEPT), predict(base, OLD, KEPT))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("model", MODELS)
def test_every_trained_weight_has_a_name(gate, model):
    if gate == "sampled" and model == "two levels":
        pytest.skip("it knows one level")
    document = make_config(gate=GATES[gate], model=MODELS[model]).model_dump(mode="json")
    document["training"]["loss_balance"] = "uncertainty"
    if gate != "sampled":
        document["tasks"]["like"]["chain"] = {"kind": "aitm", "after": "click"}
    config = TrainerConfig.model_validate(document)
    ranker = make_ranker(config)
    named = name_weights(ranker, words_of(OLD))
    covered = {weight.variable.ref() for weight in named.values()}
    assert covered == {variable.ref() for variable in ranker.trainable_variables}
    for name, weight in named.items():
        assert np.prod(weight.shape) == np.prod(weight.variable.shape), name
        assert len(weight.shape) == len(weight.axes), name


def rows_of(ranker):
    return ranker.feature_inputs.embeddings["item"].table.embeddings.numpy()


def test_new_words_get_fresh_rows_or_the_mean_of_those_there_are(tmp_path):
    base = make_ranker(make_config())
    path = save(base, tmp_path)
    fresh = rows_of(make_ranker(make_config(), NEW, seed=2))
    new = [1 + NEW.index("fresh"), 1 + NEW.index("newer")]
    found = rows_of(start(path, make_config(), NEW)[0])
    np.testing.assert_array_equal(found[new], fresh[new])
    mean = make_config(training={"new_rows": "mean"})
    found = rows_of(start(path, mean, NEW)[0])
    words = rows_of(base)[1 : 1 + len(OLD)].mean(axis=0)
    np.testing.assert_allclose(found[new], np.tile(words, (2, 1)), atol=1e-6)
    np.testing.assert_array_equal(found[0], rows_of(base)[0])
    np.testing.assert_array_equal(found[-2:], rows_of(base)[-2:])


def test_a_new_feature_is_fresh_and_the_others_read_by_the_same_weights(tmp_path):
    base = make_ranker(make_config())
    features = {name: FEATURES[name] for name in ("price", "age", "segment", "item")}
    path = save(base, tmp_path)
    ranker, report = start(path, make_config(features=features))
    assert report["axes"]["inputs"] == {"kept": 11, "new": 0, "gone": 3}
    assert any(name.startswith("attention/seen") for name in report["dropped"])
    old, new = (r.experts.layers[0].kernel.numpy() for r in (base, ranker))
    # age, its indicator, segment 3, seen 3, item 3, price 3 -> price 3, age, its indicator ...
    order = [11, 12, 13, 0, 1, 2, 3, 4, 8, 9, 10]
    np.testing.assert_array_equal(new, old[:, order])
    again, back = start(save(ranker, tmp_path), make_config())
    assert back["axes"]["inputs"] == {"kept": 11, "new": 3, "gone": 0}
    np.testing.assert_array_equal(again.experts.layers[0].kernel.numpy()[:, order], new)


def test_layers_of_another_width_are_fresh_and_named(tmp_path):
    path = save(make_ranker(make_config()), tmp_path)
    _, report = start(path, make_config(model={"tower_units": [7]}))
    fresh = ["towers/0/kernel", "towers/0/bias", "heads/kernel"]
    assert report["fresh"] == report["dropped"] == fresh
    assert not {*report["mapped"]} & {*fresh}


def test_a_task_of_another_kind_is_another_task(tmp_path):
    base = make_ranker(make_config())
    document = make_config().model_dump(mode="json")
    document["tasks"]["like"] |= {"kind": "regression"}
    document["tasks"]["like"]["label"] |= {"aggregation": "sum"}
    ranker, report = start(save(base, tmp_path), TrainerConfig.model_validate(document))
    assert report["axes"]["tasks"] == {"kept": 2, "new": 1, "gone": 1}
    same = base.towers.layers[0].kernel.numpy() == ranker.towers.layers[0].kernel.numpy()
    assert [bool(task.all()) for task in same] == [True, False, True]


def test_the_line_says_what_was_taken(tmp_path, caplog):
    path = save(make_ranker(make_config()), tmp_path)
    with caplog.at_level("INFO", "gaterank.train"):
        start(path, make_config(model={"tower_units": [7]}), NEW)
    (line,) = caplog.messages
    assert line.startswith(f"starts from {tmp_path}: ")
    assert "fresh towers/0/kernel, towers/0/bias, heads/kernel" in line
    assert "words of item 6 kept, 2 new, 1 gone" in line


def test_the_optimizer_starts_anew(tmp_path):
    base = make_ranker(make_config())
    train_a_little(base)
    ranker, _ = start(save(base, tmp_path), make_config())
    assert int(ranker.optimizer.iterations) == 0
    slots = [v.numpy() for v in ranker.optimizer.variables if v.shape.rank]
    assert slots
    assert not any(slot.any() for slot in slots)


def shortly(config, **changes):
    """The configuration with one epoch."""
    return config.with_training(max_epochs=1, **changes)


def test_training_goes_on_from_a_base_and_its_record_says_so(trained, tmp_path):
    save_base(trained.ranker, trained.transform, tmp_path)
    config = shortly(trained.config.trainer_config("candidate"), learning_rate=1e-9, seed=0)
    files = (trained.files["train"], trained.files["eval"], tmp_path / "run")
    ranker, record = train(config, trained.transform, *files, base=tmp_path / BASE_FILE)
    best = trained.record["epochs"][trained.record["best_epoch"] - 1]
    assert record["epochs"][0]["val_loss"] == pytest.approx(best["val_loss"], abs=1e-5)
    assert record["base"]["fresh"] == record["base"]["dropped"] == []
    assert len(record["base"]["mapped"]) == len(ranker.trainable_variables)
    assert record["union_training"]["step"] == 1, "of binary gates only their experts are trained"


def test_the_first_training_of_all_says_that_it_is_from_scratch(trained, tmp_path, caplog):
    config = shortly(trained.config.trainer_config("candidate"), base="latest_blessed")
    files = (trained.files["train"], trained.files["eval"], tmp_path / "run")
    with caplog.at_level("INFO", "gaterank.train"):
        _, record = train(config, trained.transform, *files)
    assert caplog.messages[0] == "starts from scratch: there is no base yet"
    assert record["base"] is None


def test_a_checkpoint_is_of_the_training_from_one_base(trained, tmp_path):
    path = tmp_path / BASE_FILE
    (tmp_path / "transform").mkdir()

    def fingerprint(base):
        return take_fingerprint(
            TrainJob(
                config=trained.config.trainer_config("candidate"),
                transform_dir=str(tmp_path / "transform"),
                train_files=(),
                eval_files=(),
                record_dir="",
                serving_dir="",
                log_dir="",
                base=base,
            )
        )

    path.write_bytes(b"one")
    one = fingerprint(str(path))
    path.write_bytes(b"two")
    assert len({fingerprint(None), one, fingerprint(str(path))}) == 3
