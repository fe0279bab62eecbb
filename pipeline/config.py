"""The whole YAML of a ranker: every folder's sections, composed and checked together."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pipeline.evaluation.options import Evaluation, check_thresholds
from pipeline.kubeflow.options import Kubeflow
from pipeline.monitoring.options import Monitor
from pipeline.schedule import Schedule
from pipeline.strict_yaml import read_document
from trainer.config import ROLES, Role, TrainerConfig, Training, check_gate
from trainer.gates.options import TopKOptions
from trainer.gates.registry import GateOptions
from trainer.model.options import Model
from trainer.tuning.options import Tuning
from trainer.tuning.space import check_tuning
from transforms.beam import Beam
from transforms.config import DataConfig
from transforms.section import Name, Section, load_section


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
        kubeflow: how Kubeflow Pipelines or Vertex AI run it; null for not at all.
        monitor: what of the serving is watched, and when it is an alarm.
    """

    name: Name
    baseline: Baseline = Baseline()
    evaluation: Evaluation = Evaluation()
    beam: Beam = Beam()
    tuning: Tuning | None = None
    bulk_inference: BulkInference | None = None
    schedule: Schedule | None = None
    kubeflow: Kubeflow | None = None
    monitor: Monitor = Monitor()

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
        check_thresholds(self.evaluation, self.tasks, self.training.base is not None)
        self.monitor.check_names(set(self.features), set(self.tasks))
        return self

    @model_validator(mode="after")
    def _can_be_tuned(self) -> "RankerConfig":
        if self.tuning is not None:
            check_tuning({role: self.trainer_config(role) for role in ROLES}, self.tuning)
        return self

    def data_config(self) -> DataConfig:
        """The sections that floor 1 reads."""
        return DataConfig(logs=self.logs, features=self.features, tasks=self.tasks)

    def without_engine(self) -> "RankerConfig":
        """The same ranker, on the default engine, neither orchestrated nor watched.

        It is what results depend on. What tuning finds goes to the trainers; how it searched, no
        other result depends on.
        """
        changes = dict.fromkeys(("tuning", "bulk_inference", "schedule", "kubeflow"))
        return self.model_copy(update={"beam": Beam(), "monitor": Monitor(), **changes})

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
