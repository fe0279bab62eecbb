"""What became of both models' gates, in one small table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.report.gates import GateMatrix, gate_matrix
from pipeline.report.importance import Importance, gate_importance
from pipeline.report.inputs import ExportManifest, TrainingRecord
from pipeline.report.numbers import MISSING, count, number, percent
from trainer.config import Role


@dataclass(frozen=True)
class TrainedGate:
    """All that a run knows of one model's gate.

    Attributes:
        record: of the training.
        export: manifest of the saved model.
        matrix: the weights of a static gate.
        importance: the use of a per-example gate.
    """

    record: TrainingRecord | None
    export: ExportManifest | None
    matrix: GateMatrix | None
    importance: Importance | None

    @property
    def budget(self) -> int | None:
        """`gate.serving_budget`."""
        budget = self.record.gate.get("serving_budget") if self.record else None
        return budget if isinstance(budget, int) else None

    @property
    def union_size(self) -> int | None:
        """How many experts serving computes."""
        source = self.export or self.matrix
        return len(source.union) if source else None


@dataclass(frozen=True)
class Figure:
    """A number as text, and what to know of it."""

    value: str = MISSING
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """One row: what is told, and each model's figure."""

    label: str
    figures: Mapping[Role, Figure]


def trained_gate(record: TrainingRecord | None, export: ExportManifest | None) -> TrainedGate:
    """Puts together what is known of a model's gate.

    Args:
        record: of its training.
        export: its manifest.
    """
    return TrainedGate(record, export, gate_matrix(record, export), gate_importance(record))


def gate_facts(gates: Mapping[Role, TrainedGate]) -> list[Fact]:
    """The rows that any of the models has a figure for.

    Args:
        gates: model -> what is known of its gate.
    """
    rows: dict[str, Callable[[TrainedGate], Figure | None]] = {
        "Experts that serving computes": _served,
        "Experts a task uses": _per_task,
        "Training steps until binary": _convergence,
        "Experts trained after that": _union_training,
        "Weights of the model before": _base,
        "Experts alive, a task": _living,
        "CV of the importance": _variation,
    }
    facts = []
    for label, tell in rows.items():
        figures = {model: tell(gate) for model, gate in gates.items()}
        if any(figures.values()):
            facts.append(Fact(label, {m: figure or Figure() for m, figure in figures.items()}))
    return facts


def describe_budget(gate: TrainedGate) -> str:
    """How the union stands to the serving budget; empty without one.

    Args:
        gate: of one model.
    """
    budget, union = gate.budget, gate.union_size
    if budget is None or union is None:
        return ""
    met = union <= budget
    return f"budget of {budget} met" if met else f"{union - budget} over the budget of {budget}"


def _served(gate: TrainedGate) -> Figure | None:
    source = gate.export or gate.record
    if gate.union_size is None or source is None:
        return None
    by_example = "each example chooses its own" if gate.importance else ""
    return Figure(f"{gate.union_size} of {source.num_experts}", describe_budget(gate) or by_example)


def _per_task(gate: TrainedGate) -> Figure | None:
    if gate.matrix:
        return Figure(f"{gate.matrix.experts_per_task:.1f}", "on the mean")
    k = gate.record.gate.get("experts_per_task") if gate.importance and gate.record else None
    return Figure(str(k), "of each example") if isinstance(k, int) else None


def _convergence(gate: TrainedGate) -> Figure | None:
    """The share of the steps until the last task's gate was binary (the paper's measure)."""
    if gate.matrix is None:
        return None
    shares = [share for share in gate.matrix.converged_shares if share is not None]
    never = len(gate.matrix.tasks) - len(shares)
    if not shares:
        return Figure("never")
    mean = f"{percent(sum(shares) / len(shares))} a task on the mean"
    if never:
        return Figure(f"never for {never} of {len(gate.matrix.tasks)} tasks", f"others {mean}")
    return Figure(f"{percent(max(shares))} of {count(gate.matrix.total_steps)}", mean)


def _union_training(gate: TrainedGate) -> Figure | None:
    """Conditional training: how many experts went on, and what it did to the speed."""
    narrowed = gate.record.union_training if gate.record else None
    if gate.record is None or narrowed is None:
        return None
    value = f"{narrowed.experts} of {gate.record.num_experts}"
    if narrowed.before is None or narrowed.after is None:
        return Figure(value, f"from step {count(narrowed.step)}")
    rates = f"{count(narrowed.before)} to {count(narrowed.after)} examples a second"
    return Figure(value, f"from step {count(narrowed.step)}, {rates}")


def _base(gate: TrainedGate) -> Figure | None:
    """A warm start: how many of the weights it took over."""
    base = gate.record.base if gate.record else None
    if base is None:
        return None
    fresh = ", ".join(base.fresh[:4]) + (", ..." if len(base.fresh) > 4 else "")
    total = len(base.mapped) + len(base.fresh)
    return Figure(f"{len(base.mapped)} of {total}", f"fresh: {fresh}" if fresh else "")


def _living(gate: TrainedGate) -> Figure | None:
    if gate.importance is None:
        return None
    num_experts = gate.importance.shares.shape[1]
    return Figure(f"{gate.importance.living_experts:.1f} of {num_experts}", "on the mean")


def _variation(gate: TrainedGate) -> Figure | None:
    if gate.importance is None:
        return None
    return Figure(number(float(gate.importance.variation.mean()), 2), "0 for equal shares")
