"""Thresholds: which hold, by how much, and what is not an excuse."""

import pytest

from pipeline.evaluation.comparison import Comparison, Estimate
from pipeline.evaluation.figures import TaskFigures
from pipeline.evaluation.options import Threshold
from pipeline.evaluation.verdict import judge
from tests.pipeline.evaluation_inputs import make_config
from transforms.errors import ConfigError
from transforms.section import load_section


def comparison(candidate, difference, lower=None, direction="higher"):
    """One metric; `lower` and its mirror image bound the difference."""
    upper = None if lower is None else 2 * difference - lower
    baseline = None if candidate is None else candidate - difference
    return Comparison(
        direction=direction,
        candidate=Estimate(value=candidate),
        baseline=Estimate(value=baseline),
        difference=Estimate(value=difference, lower=lower, upper=upper),
    )


def task(metrics, kind="classification", **fields):
    """A task's figures with these metrics."""
    known = {"unmeasured": {}, "broken_predictions": {}, **fields}
    return TaskFigures(
        kind=kind,
        group="group",
        examples=100,
        users=10,
        positives=5,
        mean_label=0.05,
        metrics=metrics,
        calibration={},
        **known,
    )


def test_the_verdict_says_which_threshold_failed_and_by_how_much():
    tasks = {
        "click": task({"auc": comparison(0.80, 0.02)}),
        "like": task({"auc": comparison(0.70, -0.013)}),
    }
    verdict = judge([Threshold(task="all", metric="auc", min_gain=-0.01)], tasks, {})
    assert not verdict.blessed
    (failure,) = verdict.failures
    assert failure.message == "task like: auc gain -0.013 is below min_gain -0.010 by 0.003"
    assert failure.margin == pytest.approx(-0.003)
    assert verdict.summary == f"refused: {failure.message}"
    assert verdict.checks[0].message == "task click: auc gain 0.020 is at least min_gain -0.010"


def test_a_lower_loss_is_a_gain():
    tasks = {"watch": task({"rmse": comparison(0.9, -0.1, direction="lower")}, kind="regression")}
    assert judge([Threshold(task="watch", metric="rmse", min_gain=0.05)], tasks, {}).blessed
    verdict = judge([Threshold(task="watch", metric="rmse", min_gain=0.2)], tasks, {})
    assert verdict.summary.endswith("rmse gain 0.100 is below min_gain 0.200 by 0.100")


@pytest.mark.parametrize(("confident", "blessed"), [(False, True), (True, False)])
def test_confident_holds_the_lower_end_against_the_bound(confident, blessed):
    tasks = {"click": task({"auc": comparison(0.8, 0.01, lower=-0.002)})}
    threshold = Threshold(task="click", metric="auc", min_gain=0.0, confident=confident)
    assert judge([threshold], tasks, {}).blessed is blessed


def test_confident_turns_the_interval_of_a_loss_round():
    good = comparison(0.9, -0.1, lower=-0.12, direction="lower")  # gain 0.08 to 0.12
    threshold = Threshold(task="click", metric="log_loss", min_gain=0.09, confident=True)
    verdict = judge([threshold], {"click": task({"log_loss": good})}, {})
    assert verdict.checks[0].value == pytest.approx(0.08)
    assert "lower end of log_loss gain's 95% interval 0.080 is below" in verdict.summary


def test_bounds_hold_the_candidates_own_value():
    tasks = {"click": task({"calibration": comparison(1.3, 0.1, direction="one")})}
    threshold = Threshold(task="click", metric="calibration", lower=0.9, upper=1.1)
    verdict = judge([threshold], tasks, {})
    assert [check.passed for check in verdict.checks] == [True, False]
    assert (
        verdict.failures[0].message == "task click: calibration 1.300 is above upper 1.100 by 0.200"
    )


def test_mean_is_over_tasks():
    mean = {"auc": comparison(0.75, -0.02)}
    verdict = judge([Threshold(task="mean", metric="auc", min_gain=0.0)], {}, mean)
    assert (
        verdict.summary
        == "refused: mean over tasks: auc gain -0.020 is below min_gain 0.000 by 0.020"
    )


def test_close_numbers_get_as_many_digits_as_tell_them_apart():
    tasks = {"click": task({"auc": comparison(0.8, -0.01001)})}
    verdict = judge([Threshold(task="click", metric="auc", min_gain=-0.01)], tasks, {})
    assert "-0.01001 is below min_gain -0.01000 by 0.00001" in verdict.summary


def test_all_excuses_a_task_that_the_labels_leave_undefined_but_says_so():
    undefined = comparison(None, None)
    rare = task({"auc": undefined}, unmeasured={"auc": "it needs a positive example"})
    tasks = {"click": task({"auc": comparison(0.8, 0.0)}), "rare": rare}
    verdict = judge([Threshold(task="all", metric="auc", min_gain=-0.01)], tasks, {})
    assert verdict.blessed
    assert verdict.warnings == ("task rare: auc was not checked: it needs a positive example",)


def test_a_task_named_by_its_threshold_is_not_excused():
    rare = task({"auc": comparison(None, None)}, unmeasured={"auc": "no positives"})
    verdict = judge([Threshold(task="rare", metric="auc", min_gain=-0.01)], {"rare": rare}, {})
    assert verdict.summary == "refused: task rare: auc gain is undefined, min_gain is -0.01"


def test_broken_predictions_are_not_excused():
    broken = task({"auc": comparison(None, None)}, broken_predictions={"candidate": 3})
    verdict = judge([Threshold(task="all", metric="auc", min_gain=-1.0)], {"click": broken}, {})
    assert not verdict.blessed


def test_an_evaluation_that_could_check_nothing_is_refused():
    rare = task({"auc": comparison(None, None)}, unmeasured={"auc": "no positives"})
    verdict = judge([Threshold(task="all", metric="auc", min_gain=-1.0)], {"rare": rare}, {})
    assert not verdict.blessed
    assert verdict.summary == "refused: no threshold could be checked"


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({"task": "like", "metric": "rmse", "upper": 1.0}, "a classification task has the metrics"),
        ({"task": "nope", "metric": "auc", "lower": 0.5}, "must name a task"),
        ({"task": "like", "metric": "auc"}, "needs `min_gain`, `lower` or `upper`"),
        ({"task": "like", "metric": "auc", "lower": 0.5, "confident": True}, "needs `min_gain`"),
        ({"task": "like", "metric": "calibration", "min_gain": 0}, "has no good direction"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused_by_the_config(threshold, message):
    value = make_config().model_dump(mode="json")
    value["evaluation"]["thresholds"] = [threshold]
    with pytest.raises(ConfigError, match=message):
        load_section(type(make_config()), value, "ranker.yaml")


def test_an_empty_list_of_thresholds_is_refused_by_the_config():
    value = make_config().model_dump(mode="json")
    value["evaluation"]["thresholds"] = []
    with pytest.raises(ConfigError, match=r"evaluation\.thresholds"):
        load_section(type(make_config()), value, "ranker.yaml")
