"""The evaluation as one JSON document: what the report, the command line and TFMA read."""

from typing import Literal

from pydantic import Field

from pipeline.evaluation.comparison import PRIMARY_METRIC, Comparison
from pipeline.evaluation.options import Metric, Rival
from trainer.config import Role
from transforms.section import Section
from transforms.tasks import TaskKind


class CalibrationBin(Section):
    """Examples of similar prediction.

    Attributes:
        mean_prediction: over the bin.
        mean_label: over the bin.
        lower: lower end of the mean label's 95% interval.
        upper: upper end of it.
        examples: how many.
    """

    mean_prediction: float
    mean_label: float
    lower: float
    upper: float
    examples: int


class TaskFigures(Section):
    """One task.

    Attributes:
        kind: of the task.
        group: of the task.
        examples: those whose label exists.
        users: who have such examples.
        positives: examples with label 1; None for regression.
        mean_label: None without examples.
        metrics: in the order of `METRICS_OF_KIND`.
        calibration: model -> bins by rising prediction.
        unmeasured: metric -> why the labels leave it undefined under any model.
        broken_predictions: model -> how many are not finite; then it has no metrics.
    """

    kind: TaskKind
    group: str
    examples: int
    users: int
    positives: int | None
    mean_label: float | None
    metrics: dict[Metric, Comparison]
    calibration: dict[Role, tuple[CalibrationBin, ...]]
    unmeasured: dict[Metric, str]
    broken_predictions: dict[Role, int]

    @property
    def primary(self) -> Comparison:
        """AUC or RMSE."""
        return self.metrics[PRIMARY_METRIC[self.kind]]


class SliceMetric(Section):
    """One metric of one task in one slice, without intervals."""

    candidate: float | None
    baseline: float | None


class SliceFigures(Section):
    """The rows that share a feature's value.

    Attributes:
        feature: its name.
        value: the value, or the range of values, as text.
        examples: rows in the slice.
        tasks: task -> metric -> both models.
    """

    feature: str
    value: str
    examples: int
    tasks: dict[str, dict[Metric, SliceMetric]]


class BaseFigures(Section):
    """The candidate against the blessed model that it began from.

    Attributes:
        tasks: those that both predict; what is called baseline in them is the base.
        mean: metric -> its mean over the tasks that have it.
    """

    tasks: dict[str, TaskFigures]
    mean: dict[Metric, Comparison]


class Check(Section):
    """One threshold applied to one task.

    Attributes:
        task: a task or `mean`.
        metric: which.
        rule: which side of the threshold.
        against: whom a gain is over.
        confident: whether the interval's end is compared and not the value.
        value: what was compared, None where undefined.
        bound: of the threshold.
        margin: distance to the bound, negative on the wrong side.
        passed: whether it holds.
        message: one sentence.
    """

    task: str
    metric: Metric
    rule: Literal["min_gain", "lower", "upper"]
    against: Rival = "baseline"
    confident: bool
    value: float | None
    bound: float
    margin: float | None
    passed: bool
    message: str


class Verdict(Section):
    """Blessed or refused, and why.

    Attributes:
        blessed: whether all thresholds hold.
        summary: one sentence.
        checks: every threshold, task by task.
        warnings: thresholds that the data could not answer.
    """

    blessed: bool
    summary: str
    checks: tuple[Check, ...]
    warnings: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)


class Figures(Section):
    """An evaluation.

    Attributes:
        version: of this document's form.
        rows: in the eval split.
        users: in the eval split.
        replicates: of the bootstrap.
        tasks: in the order of the YAML.
        mean: metric -> its mean over the tasks that have it.
        slices: by feature, the largest first.
        base: against the model that the candidate began from; None if it began from scratch.
        verdict: blessed or refused.
    """

    version: Literal[1] = 1
    rows: int = Field(ge=1)
    users: int = Field(ge=1)
    replicates: int
    tasks: dict[str, TaskFigures]
    mean: dict[Metric, Comparison]
    slices: tuple[SliceFigures, ...]
    base: BaseFigures | None = None
    verdict: Verdict
