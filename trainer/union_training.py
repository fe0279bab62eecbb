"""Conditional training: once every gate is binary, only the experts in use are trained."""

import time
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.ranker import Ranker
from trainer.stacks import ParallelStack


class ExpertUnion:
    """The experts that some task uses, in place of all: forward, backward and optimizer.

    The ranker's own variables and the slots of its optimizer keep their shapes, so that a
    checkpoint looks the same with and without; `write_back` brings them up to date. No Keras
    layer, and so not among the ranker's weights.

    Args:
        ranker: trained so far; its gate is static and binary.

    Reference: METHODS section 8.
    """

    def __init__(self, ranker: Ranker) -> None:
        selected = ranker.gate.selected().numpy()  # [T, n]
        self.indices = np.flatnonzero(selected.any(axis=0))  # [u]
        config = ranker.config
        self.experts = ParallelStack(
            len(self.indices), config.expert_units, config.model.expert_dropout, "experts"
        )
        self.experts(tf.zeros([1, ranker.experts.layers[0].kernel.shape[1]]))
        full, narrow = ranker.experts.trainable_variables, self.experts.trainable_variables
        stand_ins = {f.ref(): n for f, n in zip(full, narrow, strict=True)}
        all_variables = ranker.trainable_variables
        self.variables = [stand_ins.get(v.ref(), v) for v in all_variables]
        self.optimizer = ranker.optimizer.from_config(ranker.optimizer.get_config())
        self.optimizer.build(self.variables)
        # Of both optimizers: the same numbers, slots and order, by the order of the variables.
        slots = zip(ranker.optimizer.variables, self.optimizer.variables, strict=True)
        self._pairs = [*zip(full, narrow, strict=True), *slots]
        for whole, part in self._pairs:
            part.assign(whole if part.shape == whole.shape else tf.gather(whole, self.indices))

    def write_back(self) -> None:
        """Gives the ranker and its optimizer what has been learnt; unused experts keep theirs."""
        for whole, part in self._pairs:
            if part.shape == whole.shape:
                whole.assign(part)
            else:
                where = self.indices[:, np.newaxis]
                whole.assign(tf.tensor_scatter_nd_update(whole, where, part))


class TrainUnion(tf.keras.callbacks.Callback):
    """Narrows training to the union at the step after which every gate is binary.

    It must come before callbacks that read the model's weights at the end of an epoch.

    Attributes:
        step: after which training was narrowed; None if it was not.
        seconds: of the steps before and after, without the two that were traced.
        steps: that `seconds` counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.step: int | None = None
        self.seconds = [0.0, 0.0]
        self.steps = [0, 0]
        self._done = 0
        self._began = 0.0
        self._is_traced = False

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the step; narrows if all gates are binary now and leave out an expert."""
        if self._is_traced:
            phase = int(self.step is not None)
            self.seconds[phase] += time.perf_counter() - self._began
            self.steps[phase] += 1
        self._is_traced = True
        self._done += 1
        if self.step is None and can_narrow(self.model):
            self.step, self._is_traced = self._done, False
            self.model.narrow(ExpertUnion(self.model))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Brings the ranker's weights up to date."""
        if self.model.union is not None:
            self.model.union.write_back()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """All experts again."""
        self.model.narrow(None)

    def describe(self, batch_size: int) -> dict[str, Any] | None:
        """The step, and examples a second before and after; None if it never happened."""
        if self.step is None:
            return None
        rates = [
            round(batch_size * steps / seconds, 1) if steps else None
            for steps, seconds in zip(self.steps, self.seconds, strict=True)
        ]
        return {"step": self.step, "before": rates[0], "after": rates[1]}


def can_narrow(ranker: Ranker) -> bool:
    """Whether all tasks' gates are binary and some expert is used by none."""
    # A variable of the training step: reading it costs less than asking the gate.
    if ranker.gate.per_example or (ranker.converged_step.numpy() < 0).any():
        return False
    selected = ranker.gate.selected().numpy()
    return bool(ranker.gate.converged().numpy().all() and not selected.any(axis=0).all())
