"""The candidate against its base: the blessed model that it began from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.components import evaluate_ranker
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.rows import EvalRows
from pipeline.report.inputs import ReportInputs
from pipeline.report.render import render_report
from tests.pipeline.evaluation_inputs import make_config, make_rows
from transforms.errors import ConfigError
from transforms.section import load_section

OVER_BASELINE = {"task": "mean", "metric": "auc", "min_gain": -0.5}


def config(**threshold):
    """A ranker whose trainings begin from the blessed model, with a threshold on the gain."""
    known = {"task": "mean", "metric": "auc", "min_gain": 0.0, "against": "base"}
    value = make_config(bootstrap_replicates=20).model_dump(mode="json")
    value["evaluation"]["thresholds"] = [OVER_BASELINE, {**known, **threshold}]
    value["training"]["base"] = "latest_blessed"
    return load_section(type(make_config()), value, "ranker.yaml")


def base_of(rows: EvalRows, noise: float, tasks=("click", "like", "play_time")) -> EvalRows:
    """The rows with a model's predictions that are the candidate's and some noise."""
    random = np.random.default_rng(7)
    columns = {}
    for name in tasks:
        task = rows.tasks[name]
        noisy = task.candidate + noise * random.normal(size=len(task.candidate))
        columns[name] = replace(task, baseline=noisy)
    return EvalRows(rows.user_ids, columns, {})


def test_a_gain_over_the_base_is_measured_on_the_same_rows():
    rows = make_rows()
    figures = evaluate(rows, config(), base_of(rows, noise=0.5))
    assert figures.verdict.blessed
    assert figures.base.mean["auc"].candidate == figures.mean["auc"].candidate
    assert figures.base.mean["auc"].difference.lower > 0
    assert figures.base.mean["auc"].baseline.value < figures.mean["auc"].baseline.value
    assert "auc gain over the base 0." in figures.verdict.checks[1].message
    assert figures.verdict.checks[1].against == "base"


def test_a_candidate_that_is_worse_than_its_base_is_refused():
    rows = make_rows(candidate_noise=1.0, baseline_noise=2.0)
    better = {name: replace(task, baseline=task.labels) for name, task in rows.tasks.items()}
    figures = evaluate(rows, config(), EvalRows(rows.user_ids, better, {}))
    assert not figures.verdict.blessed
    assert figures.verdict.summary.startswith("refused: mean over tasks: auc gain over the base -0")
    assert figures.mean["auc"].gain.value > 0, "though it beats the baseline"


def test_the_interval_can_be_held_against_the_bound():
    rows = make_rows()
    figures = evaluate(rows, config(confident=True), base_of(rows, noise=0.0))
    assert figures.verdict.blessed
    assert "lower end of auc gain over the base's 95% interval" in figures.verdict.checks[1].message


def test_a_first_run_is_judged_without_a_base():
    figures = evaluate(make_rows(), config())
    assert figures.base is None
    assert figures.verdict.blessed
    assert figures.verdict.warnings == ("nothing was checked against the base: there is none yet",)


def test_a_task_that_the_base_does_not_know_is_not_compared():
    rows = make_rows()
    base = base_of(rows, 0.5, tasks=("click",))
    figures = evaluate(rows, config(task="like"), base)
    assert set(figures.base.tasks) == {"click"}
    assert figures.verdict.blessed
    assert (
        "task like: auc was not checked: the base does not predict it" in figures.verdict.warnings
    )


def test_the_report_shows_both_comparisons():
    rows = make_rows()
    both = evaluate(rows, config(), base_of(rows, noise=0.5))
    page = render_report(ReportInputs(name="ranker", figures=both))
    assert "Against the base" in page
    assert "is a gain over the base;" in page
    one = render_report(ReportInputs(name="ranker", figures=evaluate(rows, config())))
    assert "Against the base" not in one
    assert "is a gain over the baseline;" in one


def test_a_base_that_cannot_read_the_examples_is_said(monkeypatch):
    class Scorer:
        def __init__(self, *_):
            pass

        def __call__(self, *_):
            raise tf.errors.InvalidArgumentError(None, None, "feature age: data types don't match")

    monkeypatch.setattr(evaluate_ranker, "ExampleScorer", Scorer)
    monkeypatch.setattr(evaluate_ranker, "read_examples", lambda _: [b""])
    model = type("Model", (), {"uri": "nowhere"})
    assert evaluate_ranker._base_rows(make_rows(), [Path("a")], model) == (
        "it cannot read these examples: feature age: data types don't match"
    )
    assert evaluate_ranker._base_rows(make_rows(), [], None) == "there is none yet"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"thresholds": [{**OVER_BASELINE, "against": "base"}]},
            "one must be against the baseline",
        ),
        ({"thresholds": [{**OVER_BASELINE, "against": "base", "upper": 1}]}, "go elsewhere"),
        ({"thresholds": [{**OVER_BASELINE, "against": "yesterday"}]}, "'baseline' or 'base'"),
    ],
)
def test_what_no_run_could_check_is_refused(change, message):
    value = config().model_dump(mode="json")
    value["evaluation"] |= change
    with pytest.raises(ConfigError, match=message):
        load_section(type(make_config()), value, "ranker.yaml")


def test_a_base_must_be_trained_from():
    value = config().model_dump(mode="json")
    value["training"]["base"] = None
    with pytest.raises(ConfigError, match=r"`against: base` needs `training\.base`"):
        load_section(type(make_config()), value, "ranker.yaml")
