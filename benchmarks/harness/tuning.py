"""Every gate tuned with the same number of trials, then repeated with fresh seeds."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from benchmarks.harness.trials import Result, Trial, Trials
from trainer.gates.registry import parse_gate
from transforms.section import Section

# Of the repetitions; those of tuning start at 0.
FIRST_SEED = 1000


class GateSearch(Section):
    """A gate and which of its options are tried.

    Attributes:
        gate: the section `gate` of a ranker's YAML.
        grid: option -> values; every combination is tried.
        must_converge: only what a run was once its gate was binary counts, and runs that
            never were are discarded.
    """

    gate: dict[str, Any]
    grid: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    must_converge: bool = False

    @model_validator(mode="after")
    def _is_a_gate(self) -> "GateSearch":
        for gate in self.gates():
            parse_gate(gate)
        return self

    def gates(self) -> list[dict[str, Any]]:
        """The gate with every combination of the grid."""
        return [
            self.gate | dict(zip(self.grid, values, strict=True))
            for values in itertools.product(*self.grid.values())
        ]


class Search(Section):
    """How gates are tuned and compared.

    Attributes:
        learning_rates: tried for every gate.
        trials_per_rate: of every gate: combinations of its grid times seeds.
        repetitions: with fresh seeds, of the best candidate of each gate.
        runs_at_once: trials that are trained together.
        gates: name -> gate.
    """

    learning_rates: tuple[float, ...] = Field(min_length=1)
    trials_per_rate: int = Field(ge=1)
    repetitions: int = Field(ge=2)
    runs_at_once: int = Field(ge=1)
    gates: dict[str, GateSearch]

    @model_validator(mode="after")
    def _trials_are_equal(self) -> "Search":
        for name, search in self.gates.items():
            if self.trials_per_rate % len(search.gates()):
                raise ValueError(
                    "`trials_per_rate` must be a multiple of a gate's combinations. Received: "
                    f"trials_per_rate={self.trials_per_rate}, {name}: {len(search.gates())}"
                )
        return self

    def count(self) -> int:
        """Trials of one case."""
        tuning = len(self.learning_rates) * self.trials_per_rate
        return len(self.gates) * (tuning + self.repetitions)


Train = Callable[[Sequence[Trial]], Iterable[Result]]


def compare_gates(
    case: Mapping[str, Any], search: Search, trials: Trials, train: Train
) -> dict[str, dict[str, Any]]:
    """Tunes and repeats every gate.

    A candidate is a gate and a learning rate; the least mean `validation_loss` over its
    seeds wins. One that was discarded for more than half of its seeds does not count.

    Args:
        case: what all these trials have in common, such as the number of tasks.
        search: the gates and what is tried.
        trials: on disk.
        train: trains trials that differ in `learning_rate` and `seed` only. A result has
            `any` and `converged`, each with a `validation_loss`; `converged` is None if
            the gate never was binary.

    Returns:
        gate's name -> `chosen` (the trial without seed, or None if all were discarded),
        `discarded` (share of the tuning trials), `results` of the repetitions that were
        not discarded.
    """
    found = {}
    for name, gate_search in search.gates.items():
        seeds = range(search.trials_per_rate // len(gate_search.gates()))
        rule = "converged" if gate_search.must_converge else "any"
        candidates = [
            candidate
            for gate in gate_search.gates()
            for candidate in _tune({**case, "gate": gate}, seeds, search, trials, train, rule)
        ]
        losses = [loss for _, losses in candidates for loss in losses]
        best = min(candidates, key=_mean_loss)
        chosen = best[0] if _mean_loss(best) < math.inf else None
        found[name] = {
            "chosen": chosen,
            "discarded": losses.count(None) / len(losses),
            "results": _repeat(chosen, search, trials, train, rule) if chosen else [],
        }
    return found


def options_tried(
    case: Mapping[str, Any], name: str, search: Search, trials: Trials, rule: str = "any"
) -> list[dict[str, Any]]:
    """What tuning saw of each option of a gate, at the learning rate that suits it best.

    Args:
        case: as in `compare_gates`, which was called before.
        name: of the gate in the search.
        search: the gates and what is tried.
        trials: on disk.
        rule: `any`, or `converged` for what a run was once its gate was binary.

    Returns:
        For each option `chosen` (the trial without seed) and the `results` of those of its
        tuning trials that were not discarded.
    """
    gates = search.gates[name].gates()
    seeds = range(search.trials_per_rate // len(gates))
    found = []
    for gate in gates:
        candidates = []
        for rate in search.learning_rates:
            trial = {**case, "gate": gate, "learning_rate": rate}
            results = [trials.result({**trial, "seed": seed})[rule] for seed in seeds]
            candidates.append({"chosen": trial, "results": [r for r in results if r]})
        found.append(min(candidates, key=_mean_of_results))
    return found


def _mean_of_results(candidate: Mapping[str, Any]) -> float:
    return _mean([result["validation_loss"] for result in candidate["results"]])


Candidate = tuple[Trial, list[float | None]]


def _tune(
    base: Trial, seeds: range, search: Search, trials: Trials, train: Train, rule: str
) -> list[Candidate]:
    """Each learning rate's trial without seed, and its validation losses."""
    planned = [
        {**base, "learning_rate": rate, "seed": seed}
        for rate in search.learning_rates
        for seed in seeds
    ]
    results = [result[rule] for result in _run(planned, search, trials, train)]
    losses = [result and result["validation_loss"] for result in results]
    return [
        ({**base, "learning_rate": rate}, losses[i * len(seeds) : (i + 1) * len(seeds)])
        for i, rate in enumerate(search.learning_rates)
    ]


def _repeat(chosen: Trial, search: Search, trials: Trials, train: Train, rule: str) -> list[Result]:
    planned = [{**chosen, "seed": FIRST_SEED + i} for i in range(search.repetitions)]
    results = _run(planned, search, trials, train)
    return [{**result, **result[rule]} for result in results if result[rule]]


def _run(planned: list[Trial], search: Search, trials: Trials, train: Train) -> list[Result]:
    results = []
    for start in range(0, len(planned), search.runs_at_once):
        results += trials.run(planned[start : start + search.runs_at_once], train)
    return results


def _mean_loss(candidate: Candidate) -> float:
    kept = [loss for loss in candidate[1] if loss is not None]
    return _mean(kept) if 2 * len(kept) >= len(candidate[1]) else math.inf


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses) if losses else math.inf
