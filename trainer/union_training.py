"""Conditional training: once every gate is binary, only the experts in use are trained."""

from typing import Any

import numpy as np

from trainer.checkpoints.progress import UnionState
from trainer.step_clock import StepClock


class TrainUnion(StepClock):
    """Narrows training to the union at the step after which every gate is binary.

    It must come before callbacks that read the model's weights at the end of an epoch.

    Attributes:
        step: after which training was narrowed; None if it was not.
        experts: how many were left.
        seconds: of the steps before and after, without the two that were traced.
        steps: that `seconds` counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.step: int | None = None
        self.experts = 0
        self.seconds = [0.0, 0.0]
        self.steps = [0, 0]
        self._done = 0
        self._is_traced = False

    def snapshot(self) -> UnionState:
        """For a checkpoint."""
        levels = self.model.union.levels if self.model.union is not None else []
        return UnionState(
            step=self.step,
            experts=tuple(tuple(level.indices.tolist()) for level in levels),
            done=self._done,
            steps=(self.steps[0], self.steps[1]),
            seconds=(self.seconds[0], self.seconds[1]),
        )

    def restore(self, state: UnionState) -> None:
        """Goes on from a checkpoint, by the experts that were left."""
        self.step, self._done = state.step, state.done
        self.steps, self.seconds = list(state.steps), list(state.seconds)
        if state.experts:
            self.model.narrow([np.array(level) for level in state.experts])
            self.experts = self.model.union.num_experts

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the step; narrows if all gates are binary now and leave out an expert."""
        super().on_train_batch_end(batch, logs)
        if self._is_traced:
            phase = int(self.step is not None)
            self.seconds[phase] += self.took
            self.steps[phase] += 1
        self._is_traced = True
        self._done += 1
        if self.step is None and self.model.can_narrow:
            self.step, self._is_traced = self._done, False
            self.model.narrow()
            self.experts = self.model.union.num_experts

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Brings the ranker's weights up to date."""
        if self.model.union is not None:
            self.model.union.write_back()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """All experts again."""
        self.model.widen()

    def describe(self, batch_size: int) -> dict[str, Any] | None:
        """For the record of the training; None if all experts were trained to the end."""
        if self.step is None:
            return None
        rates = [
            round(batch_size * steps / seconds, 1) if steps else None
            for steps, seconds in zip(self.steps, self.seconds, strict=True)
        ]
        return {"step": self.step, "experts": self.experts, "before": rates[0], "after": rates[1]}
