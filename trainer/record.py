"""The record of a training: what the report and the command line tell of it."""

from typing import Any

from trainer.model.ranker import Ranker
from trainer.progress import GateTrajectory, StopAtBest


def make_record(ranker: Ranker, trajectory: GateTrajectory, stop: StopAtBest) -> dict[str, Any]:
    """What is worth keeping of a training, as JSON.

    Args:
        ranker: with the weights that are kept.
        trajectory: of its gates.
        stop: its epochs.
    """
    config = ranker.config
    steps_to_binary = ranker.converged_step.numpy().tolist()
    return {
        "gate": config.gate.model_dump(),
        "num_experts": config.num_experts,
        "expert_owners": ranker.expert_owners(),
        "strategy": config.training.strategy.model_dump(),
        "tasks": {n: {"kind": t.kind, "group": t.group} for n, t in config.tasks.items()},
        "steps": trajectory.steps,
        "gate_weights": {
            task: [row[i].round(6).tolist() for row in trajectory.weights]
            for i, task in enumerate(ranker.tasks)
        },
        "importance": _importance(ranker),
        "converged_step": {
            task: step if step >= 0 else None
            for task, step in zip(ranker.tasks, steps_to_binary, strict=True)
        },
        "epochs": stop.epochs,
        "best_epoch": stop.best_epoch,
        "label_means": dict(ranker.label_means),
    }


def _importance(ranker: Ranker) -> dict[str, list[float]]:
    """Task -> each expert's share of the importance in validation; empty for a static gate.

    The metric's state is among the weights, so it is that of the epoch that was kept.
    """
    if ranker.gate_measures is None:
        return {}
    shares = ranker.gate_measures.shares().numpy()
    return {task: shares[i].round(6).tolist() for i, task in enumerate(ranker.tasks)}
