"""Our YAML as a `tfma.EvalConfig`, so that TFMA's and TFX's own tools can take over.

TFMA has no per-user AUC, no R2, no mean over outputs and no threshold on an interval's end.
Thresholds on those are named in `MetricsSpec.thresholds`; their values are in the metrics
files that `tfma_files` writes.
"""

import json
from collections.abc import Iterable

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from pipeline.config import RankerConfig
from pipeline.evaluation.comparison import DIRECTIONS
from pipeline.evaluation.options import METRICS_OF_KIND, Metric, Threshold
from transforms.examples import label_name, weight_name

TFMA_CLASSES: dict[Metric, str] = {
    "auc": "AUC",
    "log_loss": "BinaryCrossEntropy",
    "calibration": "Calibration",
    "rmse": "RootMeanSquaredError",
    "mae": "MeanAbsoluteError",
}
_MODEL_NAMES = (tfma.CANDIDATE_KEY, tfma.BASELINE_KEY)


def eval_config(config: RankerConfig) -> config_pb2.EvalConfig:
    """Builds the config: both models, one metrics spec a task, slices and thresholds.

    Args:
        config: the ranker's.
    """
    built = config_pb2.EvalConfig(
        model_specs=[_model_spec(config, name) for name in _MODEL_NAMES],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[name]) for name in config.evaluation.slices),
        ],
        metrics_specs=[_task_spec(config, name) for name in config.tasks],
    )
    mean = [t for t in _over_baseline(config) if t.task == "mean"]
    if mean:
        built.metrics_specs.append(_mean_spec(mean))
    built.options.min_slice_size.value = config.evaluation.min_slice_examples
    return built


def metric_name(metric: Metric, task: str, confident: bool = False) -> str:
    """What a metric is called among TFMA's: its own name unless TFMA does not know it.

    Example:
        >>> metric_name("auc", "like"), metric_name("auc", "mean", confident=True)
        ('auc', 'mean_auc_gain_lower')
    """
    return f"{'mean_' * (task == 'mean')}{metric}{'_gain_lower' * confident}"


def output_name(task: str) -> str:
    """The model's output: the task, none for the mean over tasks."""
    return "" if task == "mean" else task


def metric_threshold(
    thresholds: Iterable[Threshold], confident: bool = False
) -> config_pb2.MetricThreshold:
    """Several thresholds on one metric as TFMA's one: the strictest of each side.

    Args:
        thresholds: all on the same metric.
        confident: build the one on the lower end of the gain's interval, not the one on
            the metric and its difference.
    """
    built = config_pb2.MetricThreshold()
    for threshold in thresholds:
        if confident:
            _tighten_value(built, threshold.min_gain if threshold.confident else None, None)
            continue
        _tighten_value(built, threshold.lower, threshold.upper)
        if threshold.min_gain is not None and not threshold.confident:
            _tighten_change(built, threshold.metric, threshold.min_gain)
    return built


def _over_baseline(config: RankerConfig) -> list[Threshold]:
    """TFMA compares with one other model."""
    return [one for one in config.evaluation.thresholds if one.against == "baseline"]


def _model_spec(config: RankerConfig, name: str) -> config_pb2.ModelSpec:
    return config_pb2.ModelSpec(
        name=name,
        is_baseline=name == tfma.BASELINE_KEY,
        signature_name="serving_default",
        model_type="tf_generic",
        label_keys={task: label_name(task) for task in config.tasks},
        example_weight_keys={task: weight_name(task) for task in config.tasks},
    )


def _task_spec(config: RankerConfig, name: str) -> config_pb2.MetricsSpec:
    spec = config_pb2.MetricsSpec(output_names=[name], model_names=_MODEL_NAMES)
    spec.example_weights.weighted = True
    for metric in METRICS_OF_KIND[config.tasks[name].kind]:
        thresholds = [
            threshold
            for threshold in _over_baseline(config)
            if threshold.metric == metric and threshold.task in ("all", name)
        ]
        if metric in TFMA_CLASSES:
            own = spec.metrics.add(
                class_name=TFMA_CLASSES[metric], config=json.dumps({"name": metric})
            )
            built = metric_threshold(thresholds)
            if built.ByteSize():
                own.threshold.CopyFrom(built)
        else:
            _add_named(spec, metric, name, thresholds)
        _add_named(spec, metric, name, thresholds, confident=True)
    return spec


def _mean_spec(thresholds: list[Threshold]) -> config_pb2.MetricsSpec:
    spec = config_pb2.MetricsSpec(model_names=_MODEL_NAMES)
    for metric in dict.fromkeys(threshold.metric for threshold in thresholds):
        same = [threshold for threshold in thresholds if threshold.metric == metric]
        _add_named(spec, metric, "mean", same)
        _add_named(spec, metric, "mean", same, confident=True)
    return spec


def _add_named(
    spec: config_pb2.MetricsSpec,
    metric: Metric,
    task: str,
    thresholds: Iterable[Threshold],
    confident: bool = False,
) -> None:
    built = metric_threshold(thresholds, confident)
    if built.ByteSize():
        spec.thresholds[metric_name(metric, task, confident)].CopyFrom(built)


def _tighten_value(
    built: config_pb2.MetricThreshold, lower: float | None, upper: float | None
) -> None:
    bounds = built.value_threshold
    if lower is not None:
        held = bounds.lower_bound.value if bounds.HasField("lower_bound") else lower
        bounds.lower_bound.value = max(lower, held)
    if upper is not None:
        held = bounds.upper_bound.value if bounds.HasField("upper_bound") else upper
        bounds.upper_bound.value = min(upper, held)


def _tighten_change(built: config_pb2.MetricThreshold, metric: Metric, min_gain: float) -> None:
    change = built.change_threshold
    higher = DIRECTIONS[metric] == "higher"
    bound = min_gain if higher else -min_gain
    if change.HasField("absolute"):
        strictest = max if higher else min
        bound = strictest(bound, change.absolute.value)
    change.absolute.value = bound
    change.direction = (
        config_pb2.MetricDirection.HIGHER_IS_BETTER
        if higher
        else config_pb2.MetricDirection.LOWER_IS_BETTER
    )
