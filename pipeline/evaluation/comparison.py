"""One metric under both models: values, intervals, the gain and what it says."""

from typing import Literal

from pipeline.evaluation.options import Metric
from transforms.section import Section
from transforms.tasks import TaskKind

Direction = Literal["higher", "lower", "one"]
Outcome = Literal["better", "worse", "even", "unknown"]

DIRECTIONS: dict[Metric, Direction] = {
    "auc": "higher",
    "gauc": "higher",
    "log_loss": "lower",
    "calibration": "one",
    "rmse": "lower",
    "mae": "lower",
    "r2": "higher",
}
PRIMARY_METRIC: dict[TaskKind, Metric] = {"classification": "auc", "regression": "rmse"}


class Estimate(Section):
    """A number and its 95% interval; None where undefined.

    Attributes:
        value: on all rows.
        lower: lower end of the interval.
        upper: upper end of the interval.
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None


class Comparison(Section):
    """One metric under both models.

    Attributes:
        direction: whether `higher` or `lower` is better, or `one` is best.
        candidate: the candidate's.
        baseline: the baseline's.
        difference: candidate - baseline, paired.
    """

    direction: Direction
    candidate: Estimate
    baseline: Estimate
    difference: Estimate

    @property
    def gain(self) -> Estimate:
        """The difference, turned so that positive is better."""
        if self.direction != "lower":
            return self.difference
        value, lower, upper = (
            None if number is None else -number
            for number in (self.difference.value, self.difference.upper, self.difference.lower)
        )
        return Estimate(value=value, lower=lower, upper=upper)

    @property
    def outcome(self) -> Outcome:
        """Whether the candidate is better or worse with confidence, or neither."""
        gain = self.gain
        if self.direction == "one" or gain.lower is None or gain.upper is None:
            return "unknown"
        if gain.lower > 0:
            return "better"
        return "worse" if gain.upper < 0 else "even"
