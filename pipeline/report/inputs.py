"""What the report is made of: the JSON documents of a run, every part of which may be missing.

Each model names the fields that the report shows. A document may hold more; what a refused
or interrupted run did not write is None and its section says so.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipeline.evaluation.figures import Figures
from transforms.ingest.counting.counts import IngestCounts
from transforms.simulator.truth import TaskTruth
from transforms.tasks import TaskKind


class Document(BaseModel):
    """A part of some JSON document; unknown fields are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class TaskInfo(Document):
    """Kind and group of a task, as in the YAML."""

    kind: TaskKind
    group: str


class UnionTraining(Document):
    """From when on only the experts in use were trained.

    Attributes:
        step: after which.
        experts: how many were left.
        before: examples a second until then; None if that was too short to tell.
        after: examples a second from then on.
    """

    step: int
    experts: int
    before: float | None
    after: float | None


class BaseUse(Document):
    """What a training took of the model that it began from: names of weights.

    Attributes:
        mapped: taken over, whole or in part.
        fresh: initialised anew.
        dropped: of the base, and of no use.
    """

    mapped: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


class TrainingRecord(Document):
    """`training.json` of one model.

    Attributes:
        gate: `kind` and its options.
        num_experts: n.
        expert_owners: the task whose own each expert is, None where all share it; empty if
            all are shared.
        tasks: name -> kind and group.
        steps: [S] the steps at which gate weights were recorded.
        gate_weights: task -> [S, n]; empty for a per-example gate.
        importance: task -> [n] shares of the weight of all validation examples; empty for a
            static gate.
        converged_step: task -> the step at which its gate became binary.
        total_steps: of the training.
        epochs: one record an epoch: `loss`, `val_loss`, `val_<task>_<metric>`.
        best_epoch: the epoch whose weights were kept, from 1.
        examples_per_second: of the training.
        seconds: of the training.
        union_training: None if all experts were trained to the end.
        base: None if it began from scratch.
    """

    gate: dict[str, Any]
    num_experts: int = Field(ge=1, le=1024)
    expert_owners: tuple[str | None, ...] = ()
    tasks: dict[str, TaskInfo]
    steps: tuple[int, ...] = ()
    gate_weights: dict[str, tuple[tuple[float, ...], ...]] = {}
    importance: dict[str, tuple[float, ...]] = {}
    converged_step: dict[str, int | None] = {}
    total_steps: int = 0
    epochs: tuple[dict[str, float], ...] = ()
    best_epoch: int | None = None
    examples_per_second: float | None = None
    seconds: float | None = None
    union_training: UnionTraining | None = None
    base: BaseUse | None = None


class TaskExport(TaskInfo):
    """What one task uses.

    Attributes:
        weights: [n] of a static gate.
        experts: the selected ones, from 0.
    """

    weights: tuple[float, ...] | None = None
    experts: tuple[int, ...]


class Costs(Document):
    """Of the whole model and of the served one."""

    full: float
    pruned: float

    @property
    def saved(self) -> float:
        """The share that serving skips, in [0, 1]."""
        return 1.0 - self.pruned / self.full if self.full else 0.0


class ExportManifest(Document):
    """The manifest of a saved model.

    Attributes:
        tasks: name -> what it uses.
        num_experts: n.
        union: experts that any task uses.
        skipped: the others, absent from the served model.
        parameters: numbers in the dense layers.
        flops_per_example: floating-point operations an example.
        max_difference: largest difference between pruned and full predictions.
        signatures: of the served model.
        score: formula that candidates are sorted by.
    """

    tasks: dict[str, TaskExport]
    num_experts: int = Field(ge=1, le=1024)
    union: tuple[int, ...]
    skipped: tuple[int, ...] = ()
    parameters: Costs | None = None
    flops_per_example: Costs | None = None
    max_difference: float | None = None
    signatures: tuple[str, ...] = ()
    score: str | None = None


class Anomaly(Document):
    """One finding of ExampleValidator."""

    feature: str
    reason: str
    description: str
    split: str | None = None


class Lineage(Document):
    """What the model came from.

    Attributes:
        run_id: of the pipeline run.
        created: when, ISO 8601.
        data: name -> value, such as the folder and span of the logs.
        code_version: of the code.
        config_yaml: the resolved YAML.
        tfx: version, or package -> version.
        artifacts: rows of a table.
    """

    run_id: str | None = None
    created: str | None = None
    data: dict[str, Any] = {}
    code_version: str | None = None
    config_yaml: str | None = None
    tfx: str | dict[str, str] | None = None
    artifacts: tuple[dict[str, Any], ...] = ()


class Truth(Document):
    """The known answer of simulated logs."""

    tasks: dict[str, TaskTruth]


class Pushed(Document):
    """Where the model went; None if nothing was pushed."""

    version: str
    path: str | None = None


class ReportInputs(Document):
    """All documents of one run.

    Attributes:
        name: of the ranker.
        candidate: the candidate's training.
        baseline: the baseline's training.
        export: the candidate's manifest.
        baseline_export: the baseline's manifest.
        figures: of the evaluation.
        counts: of the ingestion.
        anomalies: of ExampleValidator; None if it did not run.
        lineage: what the model came from.
        truth: of simulated logs.
        pushed: where the model went.
    """

    name: str
    candidate: TrainingRecord | None = None
    baseline: TrainingRecord | None = None
    export: ExportManifest | None = None
    baseline_export: ExportManifest | None = None
    figures: Figures | None = None
    counts: IngestCounts | None = None
    anomalies: tuple[Anomaly, ...] | None = None
    lineage: Lineage = Lineage()
    truth: Truth | None = None
    pushed: Pushed | None = None
