"""The `evaluation` section of the YAML: what a candidate must reach to be blessed."""

from typing import Literal

from pydantic import Field, model_validator

from transforms.section import Name, Section
from transforms.tasks import TaskKind, Tasks

Metric = Literal["auc", "gauc", "log_loss", "calibration", "rmse", "mae", "r2"]
METRICS_OF_KIND: dict[TaskKind, tuple[Metric, ...]] = {
    "classification": ("auc", "gauc", "log_loss", "calibration"),
    "regression": ("rmse", "mae", "r2", "calibration"),
}

Rival = Literal["baseline", "base"]


class Threshold(Section):
    """What the candidate must reach in one metric of one task.

    Attributes:
        task: a task's name; `all` for every task that has the metric; `mean` for the mean over
            those tasks.
        metric: `auc`, `gauc`, `log_loss` (classification); `rmse`, `mae`, `r2` (regression);
            `calibration` (both: mean prediction / mean label).
        min_gain: candidate - rival in the metric's good direction must be at least
            this; a negative number tolerates a small loss.
        against: the rival: the `baseline`, or the `base`, the blessed model that the candidate
            began from by `training.base`. A run that has no base yet does not check it.
        confident: hold the lower end of the gain's 95% interval, not the gain itself,
            against `min_gain`.
        lower: the candidate's own value must be at least this.
        upper: the candidate's own value must be at most this.
    """

    task: Name
    metric: Metric
    min_gain: float | None = None
    against: Rival = "baseline"
    confident: bool = False
    lower: float | None = None
    upper: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Threshold":
        if self.min_gain is None and self.lower is None and self.upper is None:
            raise ValueError("a threshold needs `min_gain`, `lower` or `upper`")
        if self.metric == "calibration" and self.min_gain is not None:
            raise ValueError("calibration has no good direction: use `lower` and `upper`")
        if self.confident and self.min_gain is None:
            raise ValueError("`confident` is about the gain: it needs `min_gain`")
        if self.against == "base" and not (self.lower is None and self.upper is None):
            raise ValueError("`against: base` is about the gain: `lower` and `upper` go elsewhere")
        return self


class Evaluation(Section):
    """The `evaluation` section.

    Attributes:
        thresholds: the candidate is blessed only if all hold.
        slices: features whose values split the report's metrics; a number with many values
            is cut into quarters.
        bootstrap_replicates: of the paired bootstrap over users.
        min_slice_examples: smaller slices are not shown.
        max_slices: of one feature; the largest are shown.
        seed: of the bootstrap.
    """

    thresholds: tuple[Threshold, ...] = Field(
        (
            Threshold(task="all", metric="auc", min_gain=-0.01),
            Threshold(task="all", metric="rmse", min_gain=-0.01),
        ),
        min_length=1,
    )
    slices: tuple[Name, ...] = ()
    bootstrap_replicates: int = Field(200, ge=20, le=10_000)
    min_slice_examples: int = Field(100, ge=1)
    max_slices: int = Field(12, ge=1, le=1000)
    seed: int = Field(1, ge=0, le=2**31 - 1)


def check_thresholds(evaluation: Evaluation, tasks: Tasks, has_base: bool) -> None:
    """Refuses thresholds that no run could check.

    Args:
        evaluation: the section.
        tasks: of the ranker.
        has_base: whether trainings begin from a model.

    Raises:
        ValueError: naming the rule and the value.
    """
    for threshold in evaluation.thresholds:
        _check_task(threshold, tasks)
        if threshold.against == "base" and not has_base:
            raise ValueError("evaluation.thresholds: `against: base` needs `training.base`")
    if all(threshold.against == "base" for threshold in evaluation.thresholds):
        raise ValueError(
            "evaluation.thresholds: one must be against the baseline, for a first run has no base"
        )


def _check_task(threshold: Threshold, tasks: Tasks) -> None:
    if threshold.task in ("all", "mean"):
        return
    if threshold.task not in tasks:
        raise ValueError(
            f"evaluation.thresholds: must name a task, `all` or `mean`. "
            f"Received: {threshold.task!r}, tasks are {sorted(tasks)}"
        )
    kind = tasks[threshold.task].kind
    if threshold.metric not in METRICS_OF_KIND[kind]:
        raise ValueError(
            f"evaluation.thresholds: a {kind} task has the metrics "
            f"{', '.join(METRICS_OF_KIND[kind])}. "
            f"Received: task={threshold.task}, metric={threshold.metric}"
        )
