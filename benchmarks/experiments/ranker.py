"""The eight-task ranker: every gate on the simulated logs and on KuaiRand.

    make experiment NAME=ranker [ARGS="--quick"]

METHODS' experiment of section 4.3, with the service's own ingestion, transform, model and
training loop. Compared are the gates, a shared bottom and one model a task; and, for
DSelect-k, quality against the number of experts that serving has to compute (serving
budget). `--data` is the folder of KuaiRand's files.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf

from benchmarks.experiments.ranker_data import ReadyLogs, make_ready, measure, simulate_once
from benchmarks.experiments.ranker_report import write_report
from benchmarks.harness.experiment import DataSetup, Experiment, Settings, load_sizes, main
from benchmarks.harness.trials import Result, Trial, Trials
from benchmarks.harness.tuning import Search, compare_gates
from pipeline.config import load_config
from trainer.config import TrainerConfig
from trainer.gates.registry import parse_gate
from trainer.train import train as train_ranker
from transforms.section import Section

_WORK = Path("build", "experiments", "ranker")


class Setup(DataSetup):
    """What every trial depends on; `data` is KuaiRand's folder.

    Attributes:
        impressions: of the simulated logs.
        epochs: at most; by default the preset's.
    """

    impressions: int
    epochs: int | None = None


class Budgets(Section):
    """Serving budgets that DSelect-k is given.

    Attributes:
        gate: the gate without its budget.
        budgets: of experts; and none.
        repetitions: seeds of each.
        learning_rate: of all.
    """

    gate: dict[str, object]
    budgets: tuple[int, ...]
    repetitions: int
    learning_rate: float


class RankerSettings(Settings):
    """What is compared.

    Attributes:
        cases: name -> preset.
        search: the gates.
        alone: one model a task, in place of a gate.
    """

    setup: Setup
    cases: dict[str, str]
    search: Search
    alone: Search
    budgets: Budgets


@cache
def ready_logs(case: str, preset: str, setup: Setup) -> ReadyLogs:
    """The case's examples."""
    if case == "simulated":
        folder = _WORK / f"simulated-{setup.impressions}"
        logs = simulate_once(folder / "logs", setup.impressions)
    else:
        folder, logs = _WORK / case, setup.data
    return make_ready(load_config(Path(preset)), logs, folder)


def make_config(trial: Trial, base: TrainerConfig, setup: Setup, task: str | None) -> TrainerConfig:
    """The preset with the trial's gate, learning rate and seed; one task alone if it is named."""
    training = base.training.model_copy(
        update={
            "learning_rate": trial["learning_rate"],
            "seed": trial["seed"],
            "max_epochs": setup.epochs or base.training.max_epochs,
        }
    )
    changes: dict[str, object] = {"gate": parse_gate(trial["gate"]), "training": training}
    if task is not None:
        changes |= {"tasks": {task: base.tasks[task]}, "score": task}
    return base.model_copy(update=changes)


def train_once(trial: Trial, logs: ReadyLogs, setup: Setup, task: str | None) -> Result:
    """One ranker, as the service's Trainer trains it."""
    tf.keras.backend.clear_session()
    config = make_config(trial, logs.config.trainer_config("candidate"), setup, task)
    with TemporaryDirectory() as record_dir:
        ranker, record = train_ranker(
            config,
            logs.transform,
            logs.files["train"],
            logs.files["validation"],
            Path(record_dir),
        )
    weights = ranker.gate.static_weights().numpy()
    steps = record["converged_step"].values()
    return {
        "validation_loss": record["epochs"][record["best_epoch"] - 1]["val_loss"],
        "metrics": measure(ranker, logs, "test"),
        "binary": bool(np.all(ranker.gate.converged())),
        "open_share": 1.0 if None in steps else max(steps) / record["total_steps"],
        "weights": weights.astype(np.float64).round(4).tolist(),
        "experts_used": float((weights > 0).sum(axis=-1).mean()),
        "union": int((weights > 0).any(axis=0).sum()),
        "seconds": record["seconds"],
    }


def train(trials: Sequence[Trial], logs: ReadyLogs, setup: Setup) -> Iterator[Result]:
    """Each trial by itself: a ranker, or as many as there are tasks."""
    for trial in trials:
        if trial.get("alone"):
            parts = [train_once(trial, logs, setup, task) for task in logs.config.tasks]
            result = {
                "validation_loss": sum(part["validation_loss"] for part in parts),
                "metrics": {name: v for part in parts for name, v in part["metrics"].items()},
                "seconds": sum(part["seconds"] for part in parts),
            }
            yield {"any": result, "converged": None}
        else:
            result = train_once(trial, logs, setup, None)
            yield {"any": result, "converged": result if result["binary"] else None}


def spend_budgets(
    case: str, settings: RankerSettings, trials: Trials, logs: ReadyLogs
) -> list[Result]:
    """DSelect-k under each serving budget, and without."""
    budgets = settings.budgets
    rows = []
    for budget in (*budgets.budgets, None):
        planned = [
            {
                "case": case,
                "gate": budgets.gate | ({} if budget is None else {"serving_budget": budget}),
                "learning_rate": budgets.learning_rate,
                "seed": seed,
            }
            for seed in range(budgets.repetitions)
        ]
        results = [
            trials.run([trial], lambda batch: train(batch, logs, settings.setup))[0]["any"]
            for trial in planned
        ]
        rows.append({"budget": budget, "results": results})
    return rows


def run(settings: RankerSettings, trials: Trials) -> dict[str, object]:
    """Every gate, one model a task, and every budget, on each case."""
    cases = []
    for case, preset in settings.cases.items():
        logs = ready_logs(case, preset, settings.setup)

        def train_here(batch: Sequence[Trial], logs: ReadyLogs = logs) -> Iterator[Result]:
            return train(batch, logs, settings.setup)

        gates = compare_gates({"case": case}, settings.search, trials, train_here)
        alone = compare_gates({"case": case, "alone": True}, settings.alone, trials, train_here)
        tasks = {name: task.kind for name, task in logs.config.tasks.items()}
        budgets = spend_budgets(case, settings, trials, logs)
        cases.append({"case": case, "tasks": tasks, "gates": gates | alone, "budgets": budgets})
    return {"cases": cases}


def count_trials(settings: RankerSettings) -> int:
    """Of all cases."""
    budgets = (len(settings.budgets.budgets) + 1) * settings.budgets.repetitions
    return len(settings.cases) * (settings.search.count() + settings.alone.count() + budgets)


EXPERIMENT = Experiment(
    name="ranker",
    title="The eight-task ranker: every gate on simulated logs and on KuaiRand.",
    sizes=load_sizes("ranker", RankerSettings),
    count_trials=count_trials,
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
