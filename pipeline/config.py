"""The whole YAML of a ranker: every folder's sections, composed and checked together."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from pipeline.schedule import Schedule
from pipeline.strict_yaml import read_yaml
from trainer.config import ROLES, Role, TrainerConfig, Training, check_gate
from trainer.gates.options import TopKOptions
from trainer.gates.registry import GateOptions
from trainer.model.options import Model
from trainer.tuning.options import Tuning
from trainer.tuning.space import check_tuning
from transforms.beam import Beam
from transforms.config import DataConfig
from transforms.errors import ConfigError, InputError
from transforms.secrets import refuse_secrets
from transforms.section import Name, Section, load_section
from transforms.small_files import read_small_file
from transforms.tasks import TaskKind

_MAX_BYTES = 1_000_000
Metric = Literal["auc", "gauc", "log_loss", "calibration", "rmse", "mae", "r2"]
METRICS_OF_KIND: dict[TaskKind, tuple[Metric, ...]] = {
    "classification": ("auc", "gauc", "log_loss", "calibration"),
    "regression": ("rmse", "mae", "r2", "calibration"),
}


class Threshold(Section):
    """What the candidate must reach in one metric of one task.

    Attributes:
        task: a task's name; `all` for every task that has the metric; `mean` for the mean over
            those tasks.
        metric: `auc`, `gauc`, `log_loss` (classification); `rmse`, `mae`, `r2` (regression);
            `calibration` (both: mean prediction / mean label).
        min_gain: candidate - baseline in the metric's good direction must be at least
            this; a negative number tolerates a small loss.
        confident: hold the lower end of the gain's 95% interval, not the gain itself,
            against `min_gain`.
        lower: the candidate's own value must be at least this.
        upper: the candidate's own value must be at most this.
    """

    task: Name
    metric: Metric
    min_gain: float | None = None
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


class Baseline(Section):
    """The `baseline` section: what the candidate is compared against.

    Attributes:
        gate: the baseline's gate.
        training: the baseline's training; by default the candidate's, so that only the gate
            differs.
        model: the baseline's network; by default the candidate's.
    """

    gate: GateOptions = TopKOptions(kind="top_k")
    training: Training | None = None
    model: Model | None = None


class BulkInference(Section):
    """The `bulk_inference` section: `splits` that each run scores with a blessed candidate."""

    splits: tuple[Literal["train", "eval"], ...] = Field(("eval",), min_length=1)


class RankerConfig(TrainerConfig, DataConfig):
    """One ranker: the whole YAML, `transforms.DataConfig` and `trainer.TrainerConfig` and more.

    Attributes:
        name: of the served model.
        baseline: what the candidate is compared against.
        evaluation: thresholds and slices.
        beam: the engine that ingestion and the statistics run on; it changes no result.
        tuning: which options `gaterank tune` searches; null for none.
        bulk_inference: which examples each run scores, as Parquet; null for none.
        schedule: when an orchestrator runs it; null for none.
    """

    name: Name
    baseline: Baseline = Baseline()
    evaluation: Evaluation = Evaluation()
    beam: Beam = Beam()
    tuning: Tuning | None = None
    bulk_inference: BulkInference | None = None
    schedule: Schedule | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> "RankerConfig":
        check_gate(self.baseline.gate, self.baseline.model or self.model, self.tasks)
        for name in ("all", "mean"):
            if name in self.tasks:
                raise ValueError(f"tasks.{name}: the name stands for several tasks in a threshold")
        whole = [name for name, feature in self.features.items() if feature.list_length is None]
        for name in self.evaluation.slices:
            if name not in whole:
                raise ValueError(
                    f"evaluation.slices: must name features of one value. Received: {name!r}, "
                    f"there are {sorted(whole)}"
                )
        for threshold in self.evaluation.thresholds:
            self._check_threshold(threshold)
        return self

    @model_validator(mode="after")
    def _can_be_tuned(self) -> "RankerConfig":
        if self.tuning is not None:
            check_tuning({role: self.trainer_config(role) for role in ROLES}, self.tuning)
        return self

    def _check_threshold(self, threshold: Threshold) -> None:
        if threshold.task in ("all", "mean"):
            return
        if threshold.task not in self.tasks:
            raise ValueError(
                f"evaluation.thresholds: must name a task, `all` or `mean`. "
                f"Received: {threshold.task!r}, tasks are {sorted(self.tasks)}"
            )
        kind = self.tasks[threshold.task].kind
        if threshold.metric not in METRICS_OF_KIND[kind]:
            raise ValueError(
                f"evaluation.thresholds: a {kind} task has the metrics "
                f"{', '.join(METRICS_OF_KIND[kind])}. "
                f"Received: task={threshold.task}, metric={threshold.metric}"
            )

    def data_config(self) -> DataConfig:
        """The sections that floor 1 reads."""
        return DataConfig(logs=self.logs, features=self.features, tasks=self.tasks)

    def without_engine(self) -> "RankerConfig":
        """The same ranker, on the default engine and without a schedule: what results depend on.

        What tuning finds goes to the trainers; how it searched, no other result depends on.
        """
        changes = {"beam": Beam(), "tuning": None, "bulk_inference": None, "schedule": None}
        return self.model_copy(update=changes)

    def trainer_config(self, role: Role) -> TrainerConfig:
        """The sections that the trainer reads, for the candidate or for the baseline."""
        is_baseline = role == "baseline"
        return TrainerConfig(
            features=self.features,
            tasks=self.tasks,
            gate=self.baseline.gate if is_baseline else self.gate,
            model=(is_baseline and self.baseline.model) or self.model,
            training=(is_baseline and self.baseline.training) or self.training,
            score=self.score,
        )


def load_config(path: str | Path) -> RankerConfig:
    """Reads and checks a ranker's YAML; `read_document` says what else is refused.

    Raises:
        ConfigError: if it breaks a rule; the message has one line a rule.
    """
    return load_section(RankerConfig, read_document(path), str(path))


def read_document(path: str | Path) -> Any:
    """What a ranker's YAML holds, before its rules are checked.

    Args:
        path: the file; at most 1 MB.

    Raises:
        InputError: if there is no such file or it is no UTF-8 text.
        ConfigError: if it is no YAML, or holds a secret.
    """
    path = Path(path)
    try:
        text = read_small_file(path, _MAX_BYTES, too_large=ConfigError).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text: {error.reason}") from None
    try:
        document = read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: must be YAML: {error}") from None
    refuse_secrets(document, str(path))
    return document
