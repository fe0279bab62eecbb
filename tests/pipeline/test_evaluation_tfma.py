"""Our numbers against TFMA's own computation, and our files through TFMA's own readers."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.evaluate import evaluate
from tests.pipeline.evaluation_inputs import TASKS, make_config, make_rows
from transforms.examples import label_name, weight_name

tfma = pytest.importorskip("tensorflow_model_analysis")

from pipeline.evaluation.tfma_config import eval_config  # noqa: E402
from pipeline.evaluation.tfma_files import (  # noqa: E402
    overall_metrics,
    validation_result,
    write_tfma_files,
)

THRESHOLDS: list[dict[str, Any]] = [
    {"task": "all", "metric": "auc", "min_gain": -0.01},
    {"task": "like", "metric": "auc", "min_gain": 0.0, "confident": True, "lower": 0.6},
    {"task": "play_time", "metric": "rmse", "min_gain": -0.01, "upper": 2.0},
    {"task": "mean", "metric": "gauc", "min_gain": -0.02},
    {"task": "click", "metric": "calibration", "lower": 0.8, "upper": 1.25},
]


def run_tfma(config, rows, folder):
    """The metrics that TFMA computes for the candidate, from predictions in the examples."""
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    single = eval_config(config)
    del single.model_specs[1:], single.slicing_specs[1:]
    model = single.model_specs[0]
    model.name = model.signature_name = model.model_type = ""
    model.prediction_keys.update({task: f"candidate_{task}" for task in config.tasks})
    for spec in single.metrics_specs:
        del spec.model_names[:]
        spec.thresholds.clear()
        for metric in spec.metrics:
            metric.ClearField("threshold")
    extractors = tfma.default_extractors(eval_config=single)
    evaluators = tfma.default_evaluators(eval_config=single)
    writers = tfma.default_writers(output_path=str(folder), eval_config=single)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create([examples_of(rows)])
            | tfma.BatchedInputsToExtracts()
            | tfma.ExtractAndEvaluate(extractors=extractors, evaluators=evaluators)
            | tfma.WriteResults(writers=writers)
        )
    return dict(tfma.load_eval_result(str(folder)).slicing_metrics)[()]


def examples_of(rows):
    """Labels, weights and the candidate's predictions as the columns of one batch."""
    columns = {}
    for name, task in rows.tasks.items():
        columns[label_name(name)] = task.labels
        columns[weight_name(name)] = task.weights
        columns[f"candidate_{name}"] = task.candidate
    lists = {name: pa.array(values[:, np.newaxis].tolist()) for name, values in columns.items()}
    return pa.RecordBatch.from_pydict(lists)


def plain(metrics):
    """Values without their intervals."""
    return {k: v if isinstance(v, int | float) else v.value.value for k, v in metrics.items()}


def failure_set(result):
    """Which threshold of which output failed, at which value."""
    return {
        (
            failure.metric_key.output_name,
            failure.metric_key.name,
            failure.metric_key.is_diff,
            round(failure.metric_value.double_value.value, 9),
        )
        for validation in result.metric_validations_per_slice
        for failure in validation.failures
    }


def test_metrics_equal_what_tfma_computes(tmp_path):
    config, rows = make_config(), make_rows(1500)
    figures = evaluate(rows, config)
    theirs = run_tfma(config, rows, tmp_path)
    for task, spec in TASKS.items():
        ours = figures.tasks[task].metrics
        found = {name: theirs[task][""][name]["doubleValue"] for name in theirs[task][""]}
        shared = {"classification": ["auc", "log_loss"], "regression": ["rmse", "mae"]}
        assert set(found) == {*shared[spec["kind"]], "calibration"}
        for name, value in found.items():
            # TFMA sums the ROC curve over 10,000 bins of the prediction.
            tolerance = 1e-3 if name == "auc" else 1e-5
            assert ours[name].candidate.value == pytest.approx(value, abs=tolerance), (task, name)


def test_tfma_reads_our_files(tmp_path):
    config = make_config(slices=["tab"], thresholds=THRESHOLDS)
    figures = evaluate(make_rows(), config)
    write_tfma_files(figures, eval_config(config), tmp_path)
    result = tfma.load_eval_result(str(tmp_path), model_name="candidate")
    by_slice = dict(result.slicing_metrics)
    assert set(by_slice) == {(), (("tab", "home"),), (("tab", "follow"),)}
    bounded = by_slice[()]["click"][""]["auc"]["boundedValue"]
    expected = figures.tasks["click"].metrics["auc"].candidate
    assert bounded["value"] == pytest.approx(expected.value)
    assert bounded["lowerBound"] == pytest.approx(expected.lower)
    difference = by_slice[()]["click"][""]["auc_diff"]["boundedValue"]["value"]
    assert difference == pytest.approx(figures.tasks["click"].metrics["auc"].difference.value)
    baseline = tfma.load_eval_result(str(tmp_path), model_name="baseline")
    assert dict(baseline.slicing_metrics)[()]["click"][""]["auc"]["boundedValue"]["value"] < (
        expected.value
    )
    assert result.config.model_specs[0].label_keys["click"] == "label_click"
    assert tfma.load_validation_result(str(tmp_path)).validation_ok


@pytest.mark.parametrize("candidate_noise", [0.0, 0.7, 3.0])
def test_tfmas_own_validator_agrees_with_our_verdict(candidate_noise, tmp_path):
    from tensorflow_model_analysis.evaluators.metrics_validator import validate_metrics

    config = make_config(thresholds=THRESHOLDS)
    figures = evaluate(make_rows(candidate_noise=candidate_noise), config)
    theirs = validate_metrics(((), plain(overall_metrics(figures))), eval_config(config))
    ours = validation_result(figures)
    assert theirs.validation_ok == ours.validation_ok == figures.verdict.blessed
    assert failure_set(theirs) == failure_set(ours)
    write_tfma_files(figures, eval_config(config), tmp_path)
    assert tfma.load_validation_result(str(tmp_path)) == ours


def test_the_eval_config_holds_the_strictest_of_several_thresholds():
    config = make_config(
        thresholds=[
            {"task": "all", "metric": "rmse", "min_gain": -0.1},
            {"task": "play_time", "metric": "rmse", "min_gain": -0.02, "upper": 3.0},
            {"task": "play_time", "metric": "rmse", "upper": 2.0},
        ]
    )
    (spec,) = [s for s in eval_config(config).metrics_specs if s.output_names == ["play_time"]]
    assert spec.example_weights.weighted
    (rmse,) = [metric for metric in spec.metrics if metric.class_name == "RootMeanSquaredError"]
    assert rmse.threshold.value_threshold.upper_bound.value == 2.0
    # A gain of at least -0.02 in a loss is a difference of at most 0.02.
    assert rmse.threshold.change_threshold.absolute.value == 0.02
