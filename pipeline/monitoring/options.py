"""The `monitor` section: what of the serving is watched, and when it is an alarm."""

from collections.abc import Set
from typing import Annotated

from pydantic import Field, model_validator

from transforms.section import Name, Section

Share = Annotated[float, Field(ge=0.0, le=1.0)]
_CRON = r"^\S+( \S+){4}$"


class Distances(Section):
    """How far apart a feature's values may be, on two sides; more is an alarm.

    Attributes:
        categorical: the largest difference of any word's share (TFDV's L-infinity norm).
        numeric: TFDV's approximate Jensen-Shannon divergence, of base 2.
        missing: the difference of the shares of impressions without a value.
        features: feature -> its own threshold, in place of the first two.
    """

    categorical: Share = 0.1
    numeric: Share = 0.1
    missing: Share = 0.1
    features: dict[Name, Share] = Field(default_factory=dict)


class Quality(Section):
    """How much worse live predictions may be; all beyond what chance explains.

    Attributes:
        auc_drop: how much less AUC than in the evaluation of the run; the lower end of the drop's
            95% interval must be above it.
        rmse_rise: how much more RMSE, as a share of it, likewise.
        calibration_lower: mean prediction / mean label; its 95% interval must be below it.
        calibration_upper: likewise, above it.
        min_examples: labels of a task and version below which nothing is an alarm.
        unwatched: tasks that are measured, and raise no alarm.
    """

    auc_drop: Share = 0.01
    rmse_rise: float = Field(0.05, ge=0.0, le=100.0)
    calibration_lower: float = Field(0.8, gt=0.0, le=1.0)
    calibration_upper: float = Field(1.25, ge=1.0, le=1000.0)
    min_examples: int = Field(500, ge=20)
    unwatched: tuple[Name, ...] = ()


class Monitor(Section):
    """The whole section; no result of a run depends on it.

    Attributes:
        requests: the folder of the request log of this model, for `--requests`.
        days: how many days are looked at together, the last ones.
        min_rows: served impressions below which no distance is an alarm.
        skew: between training and serving.
        drift: between serving and the serving before.
        quality: of the live predictions.
        retrain: whether an orchestrator begins a training run at an alarm.
        cron: when an orchestrator looks, after the end of a day; five fields, UTC.
    """

    requests: str | None = None
    days: int = Field(1, ge=1, le=1000)
    min_rows: int = Field(1000, ge=20)
    skew: Distances = Distances()
    drift: Distances = Distances()
    quality: Quality = Quality()
    retrain: bool = False
    cron: str = Field("0 8 * * *", pattern=_CRON, max_length=100)

    @model_validator(mode="after")
    def _retrains_at_something(self) -> "Monitor":
        if self.retrain and self.requests is None:
            raise ValueError("`retrain` needs `requests`, the folder that an orchestrator watches")
        return self

    def check_names(self, features: Set[str], tasks: Set[str]) -> None:
        """Refuses thresholds for what is not there.

        Args:
            features: of the YAML.
            tasks: of the YAML.

        Raises:
            ValueError: with the rule, the place and the value.
        """
        for place, names, known in (
            ("skew.features", self.skew.features, features),
            ("drift.features", self.drift.features, features),
            ("quality.unwatched", self.quality.unwatched, tasks),
        ):
            unknown = sorted(set(names) - known)
            if unknown:
                raise ValueError(
                    f"monitor.{place}: must be names of the YAML. Received: {unknown}, "
                    f"there are {sorted(known)}"
                )
