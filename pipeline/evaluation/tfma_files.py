"""Writes figures as TFMA's own files: `tfma.load_eval_result` and its views read them.

The folder gets `metrics` (a record a slice, intervals included), `validations` (one record)
and `eval_config.json`, named and coded as TFMA's writers do.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from google.protobuf.message import Message
from tensorflow_model_analysis.metrics.metric_types import MetricKey
from tensorflow_model_analysis.proto import (
    config_pb2,
    metrics_for_slice_pb2,
    validation_result_pb2,
)
from tensorflow_model_analysis.writers.metrics_plots_and_validations_writer import (
    convert_slice_metrics_to_proto,
)

from pipeline.evaluation.comparison import DIRECTIONS, Comparison, Estimate
from pipeline.evaluation.figures import Check, Figures, SliceFigures
from pipeline.evaluation.options import Metric, Threshold
from pipeline.evaluation.tfma_config import (
    TFMA_CLASSES,
    eval_config,
    metric_name,
    metric_threshold,
    output_name,
)
from trainer.config import ROLES

__all__ = ["eval_config", "overall_metrics", "validation_result", "write_tfma_files"]

MetricsDict = dict[MetricKey, Any]


def write_tfma_files(figures: Figures, config: config_pb2.EvalConfig, folder: str | Path) -> None:
    """Writes the three files.

    Args:
        figures: from `evaluate`.
        config: from `eval_config`, of the same YAML.
        folder: is made if missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    slices: list[tuple[Any, MetricsDict]] = [((), overall_metrics(figures))]
    slices += [(((s.feature, s.value),), _slice_metrics(s)) for s in figures.slices]
    records = [convert_slice_metrics_to_proto(one, None) for one in slices]
    _write_records(folder, tfma.METRICS_KEY, records)
    _write_records(folder, tfma.VALIDATIONS_KEY, [validation_result(figures)])
    run = config_pb2.EvalRun(eval_config=config, version=tfma.VERSION_STRING)
    for model in ROLES:
        run.model_locations[model] = ""
    (folder / "eval_config.json").write_text(json_format.MessageToJson(run))


def overall_metrics(figures: Figures) -> MetricsDict:
    """TFMA's key -> value (bounded by its interval) over all rows; undefined ones are left out.

    Args:
        figures: from `evaluate`.
    """
    metrics: MetricsDict = {MetricKey("example_count"): figures.rows}
    for task, of_task in figures.tasks.items():
        for metric, comparison in of_task.metrics.items():
            metrics |= _comparison_metrics(metric, task, comparison)
    for metric, comparison in figures.mean.items():
        metrics |= _comparison_metrics(metric, "mean", comparison)
    return metrics


def validation_result(figures: Figures) -> validation_result_pb2.ValidationResult:
    """The verdict as TFMA's record, one failure a check that does not hold.

    Args:
        figures: from `evaluate`.
    """
    result = validation_result_pb2.ValidationResult(validation_ok=figures.verdict.blessed)
    result.missing_thresholds = not figures.verdict.checks
    details = result.validation_details.slicing_details.add(num_matching_slices=1)
    details.slicing_spec.SetInParent()
    if figures.verdict.failures:
        failed = result.metric_validations_per_slice.add()
        failed.slice_key.SetInParent()
        for check in figures.verdict.failures:
            _add_failure(failed, check)
    return result


def _comparison_metrics(metric: Metric, task: str, comparison: Comparison) -> MetricsDict:
    estimates = {
        _key(metric, task, tfma.CANDIDATE_KEY): comparison.candidate,
        _key(metric, task, tfma.BASELINE_KEY): comparison.baseline,
        _key(metric, task, tfma.CANDIDATE_KEY).make_diff_key(): comparison.difference,
    }
    if comparison.direction != "one":
        lower = Estimate(value=comparison.gain.lower)
        estimates[_key(metric, task, tfma.CANDIDATE_KEY, confident=True)] = lower
    return {key: _bounded(one) for key, one in estimates.items() if one.value is not None}


def _slice_metrics(figures: SliceFigures) -> MetricsDict:
    metrics: MetricsDict = {MetricKey("example_count"): figures.examples}
    for task, of_task in figures.tasks.items():
        for metric, values in of_task.items():
            candidate, baseline = _key(metric, task, "candidate"), _key(metric, task, "baseline")
            pairs = {candidate: values.candidate, baseline: values.baseline}
            if values.candidate is not None and values.baseline is not None:
                pairs[candidate.make_diff_key()] = values.candidate - values.baseline
            metrics |= {key: value for key, value in pairs.items() if value is not None}
    return metrics


def _key(metric: Metric, task: str, model: str, confident: bool = False) -> MetricKey:
    # Metrics that TFMA computes are keyed as weighted; named ones have no such mark.
    computed = metric in TFMA_CLASSES and task != "mean" and not confident
    return MetricKey(
        name=metric_name(metric, task, confident),
        model_name=model,
        output_name=output_name(task),
        example_weighted=True if computed else None,
    )


def _bounded(estimate: Estimate) -> Any:
    if estimate.lower is None or estimate.upper is None:
        return estimate.value
    bounded = metrics_for_slice_pb2.BoundedValue()
    bounded.value.value = estimate.value
    bounded.lower_bound.value = estimate.lower
    bounded.upper_bound.value = estimate.upper
    bounded.methodology = metrics_for_slice_pb2.BoundedValue.POISSON_BOOTSTRAP
    return bounded


def _add_failure(failed: validation_result_pb2.MetricsValidationForSlice, check: Check) -> None:
    failure = failed.failures.add(message=check.message)
    key = _key(check.metric, check.task, tfma.CANDIDATE_KEY, check.confident)
    value = check.value
    if check.rule == "min_gain" and not check.confident:
        key = key.make_diff_key()
        if value is not None and DIRECTIONS[check.metric] == "lower":
            value = -value
    failure.metric_key.CopyFrom(key.to_proto())
    if value is not None:
        failure.metric_value.double_value.value = value
    broken = {
        "task": check.task,
        "metric": check.metric,
        "confident": check.confident,
        check.rule: check.bound,
    }
    threshold = Threshold.model_validate(broken)
    failure.metric_threshold.CopyFrom(metric_threshold([threshold], check.confident))


def _write_records(folder: Path, name: str, records: Iterable[Message]) -> None:
    path = folder / f"{name}-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record.SerializeToString())
