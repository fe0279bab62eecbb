"""When gates become binary, and what conditional training then saves.

    make experiment NAME=convergence [ARGS="--quick --data FOLDER"]

DSelect-k's appendix C.3, on the models of the experiments `movielens` and `synthetic` with the
gates that were tuned there. Conditional training computes all experts until every selector
is binary, and from then on the union only: those that any task uses. A step over u experts
is traced with u experts, and TensorFlow's profiler counts its floating-point operations.
Top-k is given the same right: at each step it need compute only the experts that it has
selected.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.experiments import movielens, synthetic
from benchmarks.experiments.convergence_report import write_report
from benchmarks.experiments.movielens_data import read_ratings
from benchmarks.experiments.movielens_model import Setup as MovieLensSetup
from benchmarks.experiments.movielens_model import TwoTasks
from benchmarks.experiments.synthetic_data import NUM_FEATURES
from benchmarks.harness.experiment import Experiment, Settings, load_sizes, main
from benchmarks.harness.flops import count_flops
from benchmarks.harness.trials import Result, Trial, Trials
from transforms.section import Section


class Setup(MovieLensSetup):
    """That of `movielens`, and that of `synthetic`."""

    synthetic: synthetic.Setup


class Tuned(Section):
    """A gate and its learning rate."""

    gate: dict[str, Any]
    learning_rate: float


class Case(Section):
    """Gates of one problem.

    Attributes:
        eta: the weight of `watch`; the problem is `movielens`.
        tasks: T; the problem is `synthetic`.
        gates: name -> gate.
    """

    eta: float | None = None
    tasks: int | None = None
    gates: dict[str, Tuned]

    @property
    def problem(self) -> dict[str, float]:
        """What its trials have in common."""
        return self.model_dump(exclude={"gates"}, exclude_none=True)


class ConvergenceSettings(Settings):
    """`repetitions` are seeds of each gate."""

    setup: Setup
    repetitions: int
    cases: tuple[Case, ...]


def run(settings: ConvergenceSettings, trials: Trials) -> dict[str, Any]:
    """Every gate of every case."""
    return {
        "cases": [
            case.problem
            | {
                "gates": {
                    name: describe(case, tuned, settings, trials)
                    for name, tuned in case.gates.items()
                }
            }
            for case in settings.cases
        ]
    }


def describe(
    case: Case, tuned: Tuned, settings: ConvergenceSettings, trials: Trials
) -> dict[str, Any]:
    """What the trainings of one gate cost, in floating-point operations."""
    setup = settings.setup
    base: Trial = {**case.problem, **tuned.model_dump()}
    train = (
        partial(synthetic.train, setup=setup.synthetic)
        if case.tasks
        else partial(movielens.train, setup=setup)
    )
    results = [
        trials.run([{**base, "seed": seed}], train)[0] for seed in range(settings.repetitions)
    ]
    num_experts = case.tasks // 4 if case.tasks else setup.num_experts
    costs = [count_step(case, tuned.gate, setup, u) for u in range(1, num_experts + 1)]
    steps = count_steps(case, setup)
    return {
        "chosen": tuned.model_dump(),
        "steps": steps,
        "flops_of_a_step": costs,
        "runs": [spend(result, steps, costs, tuned.gate["kind"] == "top_k") for result in results],
    }


def spend(result: Result, steps: int, costs: list[int], is_top_k: bool) -> dict[str, Any]:
    """One training: when it was binary, and what it cost with and without all experts.

    Args:
        result: of the trial.
        steps: of the training.
        costs: of a step over 1, 2, ... n experts.
        is_top_k: whether only what is selected can be computed from the first step on.
    """
    experts, cost = float(len(costs)), float(costs[-1])
    if is_top_k:
        experts = result.get("mean_union", result["any"]["union"])
        cost = float(np.interp(experts, np.arange(1, len(costs) + 1), costs))
    elif result["converged"]:
        experts, share = result["converged"]["union"], result["open_share"]
        cost = share * costs[-1] + (1.0 - share) * costs[experts - 1]
    return {
        "test_loss": (result["converged"] or result["any"])["test_loss"],
        "binary_after": result["open_share"] if result["converged"] else None,
        "experts": experts,
        "all_experts": float(steps * costs[-1]),
        "conditional": steps * cost,
    }


def count_step(case: Case, gate: Mapping[str, Any], setup: Setup, num_experts: int) -> int:
    """Floating-point operations of a training step with so many experts."""
    k = min(gate["experts_per_task"], num_experts)
    gate = {**gate, "experts_per_task": k}
    if case.tasks:
        runs = synthetic.SumOfUnits(gate, case.tasks, num_experts, [1.0])
        size = setup.synthetic.batch_size
        inputs = tf.TensorSpec([size, NUM_FEATURES]), tf.TensorSpec([size, case.tasks])
        return count_flops(runs.step, *inputs)
    small = setup.model_copy(update={"num_experts": num_experts})
    ids, ratings = (tf.TensorSpec([setup.batch_size], dtype) for dtype in (tf.int64, tf.float32))
    return count_flops(TwoTasks(gate, small, read_ratings(setup.data)).step, ids, ids, ratings)


def count_steps(case: Case, setup: Setup) -> int:
    """Of a whole training."""
    if case.tasks:
        sizes = setup.synthetic
        return sizes.train // sizes.batch_size * sizes.epochs
    pairs = len(movielens.splits(setup.data, setup.data_seed)[0].users)
    return pairs // setup.batch_size * setup.epochs


EXPERIMENT = Experiment(
    name="convergence",
    title="When gates become binary, and what conditional training then saves",
    sizes=load_sizes("convergence", ConvergenceSettings),
    count_trials=lambda settings: (
        settings.repetitions * sum(len(case.gates) for case in settings.cases)
    ),
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
