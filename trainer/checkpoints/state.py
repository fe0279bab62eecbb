"""The state of a training: what a checkpoint has of it, and how it gets it back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from trainer.checkpoints.file import Array, ArraySpec, BrokenCheckpointError, CheckpointFile
from trainer.checkpoints.progress import Progress
from trainer.divergence import FiniteWatch
from trainer.model.ranker import Ranker
from trainer.progress import GateTrajectory, StopAtBest
from trainer.union_training import TrainUnion


@dataclass(frozen=True)
class TrainingState:
    """All that the rest of a training depends on, and what its record tells.

    Variables are read as the whole of what replicas and parameter servers have of them, so a
    checkpoint does not depend on the strategy. Every process that steps has to read them.

    Attributes:
        ranker: that is trained, with its optimizer.
        stop: early stopping.
        trajectory: of the gates.
        union: conditional training.
        watch: says what is at fault if weights are not finite.
        in_step: whether the ranker's own steps are watched by `union`.
    """

    ranker: Ranker
    stop: StopAtBest
    trajectory: GateTrajectory
    union: TrainUnion
    watch: FiniteWatch
    in_step: bool

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Name -> array, one after the other."""
        if self.ranker.union is not None:
            self.ranker.union.write_back()
        for name, variable in self._variables().items():
            yield name, variable.numpy()
        for i, weights in enumerate(self.stop.weights):
            yield f"best_{i:04}", weights
        if self.trajectory.weights:
            yield "gates", np.stack(self.trajectory.weights)  # [records, T, n]

    def snapshot(self, progress: Progress) -> Progress:
        """The progress with the state that is no array."""
        changes = {
            "stop": self.stop.snapshot(),
            "trajectory": self.trajectory.snapshot(),
            "union": self.union.snapshot(),
        }
        return progress.model_copy(update=changes)

    def check(self, file: CheckpointFile, progress: Progress) -> None:
        """Reads a whole checkpoint, and takes nothing of it.

        Raises:
            BrokenCheckpointError: if it is not whole.
        """
        own = {name: _spec_of(variable) for name, variable in self._variables().items()}
        file.check(own | self._best_specs(progress) | self._gate_specs(progress))
        places = [place for level in progress.union.experts for place in level]
        if any(not 0 <= place < self.ranker.gate.num_experts for place in places):
            raise BrokenCheckpointError(f"{file.path}: its union must be of the ranker's experts")

    def restore(self, file: CheckpointFile, progress: Progress) -> None:
        """Takes over a checkpoint that has been checked."""
        for name, variable in self._variables().items():
            variable.assign(file.read(name, _spec_of(variable)))
        self.stop.restore(progress.stop, _read_all(file, self._best_specs(progress)))
        gates = _read_all(file, self._gate_specs(progress))
        self.trajectory.restore(progress.trajectory, list(gates[0]) if gates else [])
        if self.in_step:
            self.union.restore(progress.union)

    @property
    def num_bytes(self) -> int:
        """At least as many as arrays have."""
        specs = [_spec_of(variable) for variable in self._variables().values()]
        return 2 * sum(spec.num_bytes for spec in specs) + (1 << 30)

    def _variables(self) -> dict[str, tf.Variable]:
        """Weights and the gate's state, the optimizer's slots, the loss of the epoch so far."""
        groups = {
            "weight": self.ranker.weights,
            "slot": self.ranker.optimizer.variables,
            "loss": self.ranker.objectives.total.variables,
        }
        return {
            f"{group}_{i:04}": variable
            for group, variables in groups.items()
            for i, variable in enumerate(variables)
        }

    def _best_specs(self, progress: Progress) -> dict[str, ArraySpec]:
        weights = enumerate(self.ranker.weights if progress.stop.best_epoch else [])
        return {f"best_{i:04}": _spec_of(variable) for i, variable in weights}

    def _gate_specs(self, progress: Progress) -> dict[str, ArraySpec]:
        records = len(progress.trajectory.steps)
        shape = (records, len(self.ranker.tasks), self.ranker.gate.num_experts)
        return {"gates": ArraySpec(shape, "float32")} if records else {}


def _spec_of(variable: tf.Variable) -> ArraySpec:
    return ArraySpec(tuple(variable.shape), variable.dtype.name)


def _read_all(file: CheckpointFile, specs: Mapping[str, ArraySpec]) -> list[Array]:
    return [file.read(name, spec) for name, spec in specs.items()]
