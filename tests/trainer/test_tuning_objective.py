"""The number that is maximised, against a plain reference, and which trials count."""

import numpy as np
import pytest
import tensorflow_transform as tft
from sklearn.metrics import r2_score, roc_auc_score

from tests.trainer.conftest import tiny_config
from trainer.dataset import read_batches
from trainer.tuning.job import TrialJob
from trainer.tuning.labels import measure_labels
from trainer.tuning.objective import LabelFacts, judged, measure
from trainer.tuning.result import Trial, TrialResult, find_best
from trainer.tuning.trial import judge
from transforms.errors import InputError

FACTS = LabelFacts(count=10, mean=1.0, variance=4.0)
LABELS = {"click": FACTS, "like": FACTS, "watch": FACTS}
EPOCH = {"val_loss": 1.0, "val_click_auc": 0.8, "val_like_auc": 0.6, "val_watch_rmse": 1.0}


def test_the_objective_is_the_plain_weighted_mean():
    rng = np.random.default_rng(0)
    labels, scores = rng.random(500) < 0.3, rng.random(500)
    values = rng.normal(size=500)
    guesses = values + rng.normal(size=500)
    config = tiny_config()
    tasks = {name: config.tasks[name] for name in ("click", "watch")}
    figures = {
        "val_click_auc": roc_auc_score(labels, scores),
        "val_watch_rmse": np.sqrt(np.mean((values - guesses) ** 2)),
    }
    facts = {
        "click": LabelFacts(count=500, mean=labels.mean(), variance=labels.var()),
        "watch": LabelFacts(count=500, mean=values.mean(), variance=values.var()),
    }
    objective, _ = measure(tasks, figures, facts, {"click": 1.0, "watch": 3.0})
    expected = (figures["val_click_auc"] + 3 * (1 + r2_score(values, guesses)) / 2) / 4
    np.testing.assert_allclose(objective, expected, rtol=1e-12)


def test_a_regression_that_explodes_counts_0_and_not_less():
    tasks = {"watch": tiny_config().tasks["watch"]}
    objective, _ = measure(tasks, {"val_watch_rmse": 1e6}, {"watch": FACTS}, {"watch": 1.0})
    assert objective == 0.0


def test_a_task_whose_labels_are_all_alike_does_not_count():
    constant = FACTS.model_copy(update={"variance": 0.0})
    weights = {"click": 1.0, "like": 0.0}
    assert judged({"click": FACTS, "like": FACTS}, weights) == ["click"]
    with pytest.raises(InputError, match="the eval split must have labels that differ"):
        judged({"click": constant, "like": FACTS}, weights)


def test_label_facts_are_those_of_the_labels_that_exist(transformed):
    config = tiny_config()
    folder = transformed / "transform"
    files = [str(folder / "eval-*")]
    facts = measure_labels(files, str(folder), config.tasks)
    (batch,) = read_batches(files, tft.TFTransformOutput(str(folder)), 10_000)
    for name in config.tasks:
        labels = batch[f"label_{name}"].numpy()[batch[f"weight_{name}"].numpy() > 0]
        assert facts[name].count == len(labels)
        np.testing.assert_allclose(facts[name].mean, labels.mean(), rtol=1e-5)
        np.testing.assert_allclose(facts[name].variance, labels.var(), rtol=1e-4)


def make_job(gate: dict, must_converge: bool = True) -> TrialJob:
    config = tiny_config(gate=gate).trainer_config("candidate")
    weights = dict.fromkeys(config.tasks, 1.0)
    return TrialJob(
        config=config, transform_dir="", train_files=(), eval_files=(), labels=LABELS,
        weights=weights, must_converge=must_converge, threads=1, folder="",
    )  # fmt: skip


def record(converged: bool, **figures) -> dict:
    worse = {**EPOCH, "val_click_auc": 0.1}
    epochs = [{"epoch": i + 1, "converged": converged, **e} for i, e in enumerate((EPOCH, worse))]
    epochs[0] |= figures
    return {"epochs": epochs, "best_epoch": 1}


@pytest.mark.parametrize(
    ("gate", "must_converge", "converged", "state"),
    [
        ({"kind": "dselect_k"}, True, False, "discarded"),
        ({"kind": "dselect_k"}, True, True, "completed"),
        ({"kind": "dselect_k"}, False, False, "completed"),
        ({"kind": "dselect_k", "per_example": True}, True, False, "completed"),
        ({"kind": "dselect_k_annealed"}, True, False, "discarded"),
        ({"kind": "dselect_k_entropy"}, True, False, "discarded"),
        ({"kind": "top_k"}, True, False, "completed"),
        ({"kind": "softmax"}, True, False, "completed"),
    ],
)
def test_a_gate_that_could_be_binary_must_be(gate, must_converge, converged, state):
    result = judge(make_job(gate, must_converge), record(converged))
    assert result.state == state
    assert result.objective == pytest.approx((0.8 + 0.6 + 1 - 1 / 4 / 2) / 3)
    assert (result.epochs, result.best_epoch) == (2, 1)


def test_a_loss_that_is_no_number_does_not_count():
    result = judge(make_job({"kind": "top_k"}), record(True, val_watch_rmse=float("nan")))
    assert (result.state, result.objective) == ("diverged", None)


def make_trial(number: int, state: str, objective: float | None) -> Trial:
    result = TrialResult(state=state, objective=objective)
    return Trial(number=number, values={}, result=result)


def test_the_best_is_the_best_of_those_that_count():
    trials = [
        make_trial(0, "completed", 0.6),
        make_trial(1, "discarded", 0.9),
        make_trial(2, "completed", 0.7),
        make_trial(3, "completed", 0.7),
        make_trial(4, "failed", None),
        Trial(number=5, values={}),
    ]
    assert find_best(trials).number == 2
    assert find_best([trials[1], trials[4]]) is None
