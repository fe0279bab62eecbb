"""What a monitoring run found, as one JSON document: what the page, Prometheus and people read."""

from typing import Literal, NamedTuple

from pydantic import Field

from pipeline.evaluation.comparison import Estimate
from pipeline.evaluation.figures import CalibrationBin
from pipeline.evaluation.options import Metric
from transforms.ingest.counting.counts import IngestCounts
from transforms.section import Section
from transforms.tasks import TaskKind

ComparisonKind = Literal["skew", "drift"]
AlarmKind = Literal["skew", "drift", "missing", "schema", "quality", "calibration", "predictions"]
ALARM_KINDS: tuple[AlarmKind, ...] = (
    "skew", "drift", "missing", "schema", "quality", "calibration", "predictions",
)  # fmt: skip


class Side(NamedTuple):
    """Which two sides are compared.

    Attributes:
        kind: skew or drift.
        model_version: whose training it is; None for drift, which is of all versions.
        before_name: in words.
        now_name: in words.
    """

    kind: ComparisonKind
    model_version: str | None
    before_name: str
    now_name: str


class FeatureDistance(Section):
    """A feature on two sides; the first four are those of `Side`.

    Attributes:
        feature: its name, or a logged prediction's.
        measure: of TFDV.
        value: None if one side has no values.
        threshold: above which it is far.
        missing_before: share of impressions without a value.
        missing_now: likewise.
        missing_threshold: of their difference.
        is_far: an alarm; never with too few rows.
        is_missing: likewise.
        text: TFDV's sentence if it is above the threshold.
    """

    kind: ComparisonKind
    model_version: str | None
    before_name: str
    now_name: str
    feature: str
    measure: Literal["l_infinity", "jensen_shannon"]
    value: float | None
    threshold: float
    missing_before: float
    missing_now: float
    missing_threshold: float
    is_far: bool
    is_missing: bool
    text: str


class LiveMetric(Section):
    """A metric of live predictions.

    Attributes:
        live: with its 95% interval.
        training: in the evaluation of the run; None if that is not known.
        worse: how much worse than there: a drop of AUC, the rise of RMSE as a share of it; None
            for other metrics.
        is_alarm: whether that is an alarm.
    """

    live: Estimate
    training: Estimate | None = None
    worse: Estimate | None = None
    is_alarm: bool = False


class LiveTask(Section):
    """A task of one version.

    Attributes:
        task: its name.
        model_version: that predicted.
        kind: of the task.
        impressions: that the version served.
        examples: those whose label exists and is complete.
        waiting: impressions for whose label feedback may still come.
        not_first: of a model with a position tower: labels of what was not shown first, which
            its predictions are not about.
        users: of the examples.
        positives: examples with label 1; None for regression.
        mean_label: None without examples.
        mean_prediction: likewise.
        calibration_error: mean over the curve's bins of |mean prediction - mean label| (ECE).
        metrics: as of the evaluation.
        curve: of calibration, by rising prediction.
        training_curve: of the evaluation.
        broken_predictions: logged as no number; then there are no metrics.
        note: why something is not measured, or is no alarm.
    """

    task: str
    model_version: str
    kind: TaskKind
    impressions: int
    examples: int
    waiting: int
    not_first: int
    users: int = 0
    positives: int | None = None
    mean_label: float | None = None
    mean_prediction: float | None = None
    calibration_error: float | None = None
    metrics: dict[Metric, LiveMetric] = Field(default_factory=dict)
    curve: tuple[CalibrationBin, ...] = ()
    training_curve: tuple[CalibrationBin, ...] = ()
    broken_predictions: int = 0
    note: str = ""


class Alarm(Section):
    """What a person should look at.

    Attributes:
        kind: of the alarm.
        place: the feature or the task.
        model_version: None if it is about all.
        message: one sentence.
    """

    kind: AlarmKind
    place: str
    model_version: str | None
    message: str


class ServedVersion(Section):
    """A version that served.

    Attributes:
        impressions: of it.
        run_id: that pushed it; None if no run of the workspace did.
        report: the page of that run.
    """

    impressions: int
    run_id: str | None
    report: str | None


class MonitorFigures(Section):
    """The whole of `monitor.json`.

    Attributes:
        version: of this document's form.
        ranker: its name.
        created: when, ISO 8601.
        first_day: of the request log.
        last_day: of the request log.
        previous_day: that drift is measured from; None if there is none.
        labels_until: up to when labels are complete, ISO 8601; None without feedback.
        counts: what became of all rows.
        versions: that served.
        new_columns: of the request log, which the YAML does not know.
        distances: skew and drift.
        tasks: live metrics.
        alarms: what a person should look at.
        notes: what could not be measured, and why.
    """

    version: Literal[1] = 1
    ranker: str
    created: str
    first_day: str
    last_day: str
    previous_day: str | None
    labels_until: str | None
    counts: IngestCounts
    versions: dict[str, ServedVersion]
    new_columns: tuple[str, ...]
    distances: tuple[FeatureDistance, ...]
    tasks: tuple[LiveTask, ...]
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...]

    @property
    def days(self) -> str:
        """In words."""
        one = self.first_day == self.last_day
        return self.last_day if one else f"{self.first_day} to {self.last_day}"
