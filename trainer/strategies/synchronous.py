"""Training on one device, or on replicas that step together: Keras' steps in a loop of ours."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.checkpoints.checkpointer import Checkpointer
from trainer.checkpoints.progress import Figures, Position
from trainer.dataset import Batches
from trainer.divergence import FiniteWatch
from trainer.model.ranker import Ranker
from trainer.strategies.distribution import Distribution


class SynchronousFit:
    """What `Model.fit` does, but from any step on, and asking between steps whether to save.

    Args:
        place: in whose scope the ranker was made.
        ranker: compiled.
        batches: what to train on.
        validation: what to validate on.
        watching: the callbacks.
        checkpointer: where to begin; it is asked after each step.
        watch: looks at each loss.
    """

    def __init__(
        self,
        place: Distribution,
        ranker: Ranker,
        batches: Batches,
        validation: Batches,
        watching: tf.keras.callbacks.CallbackList,
        checkpointer: Checkpointer,
        watch: FiniteWatch,
    ) -> None:
        self._place = place
        self._ranker = ranker
        self._batches = batches
        self._validation = validation
        self._watching = watching
        self._checkpointer = checkpointer
        self._watch = watch

    def run(self, epochs: int) -> None:
        """Trains until the callbacks stop it, at most so many epochs."""
        with self._place.strategy.scope():
            self._ranker.stop_training = False
            self._ranker.make_train_function()
            self._ranker.make_test_function()
            self._watching.on_train_begin()
            if not self._checkpointer.progress.is_over:
                self._run(epochs)
            self._watching.on_train_end()

    def _run(self, epochs: int) -> None:
        start = self._checkpointer.progress
        examples = iter(self._place.distribute(self._batches, start.position))
        held_out = iter(self._place.distribute(self._validation))
        step, figures = start.step, start.figures or {}
        for epoch in range(start.epoch, epochs):
            self._watching.on_epoch_begin(epoch)
            if not step:
                self._ranker.reset_metrics()
            if step < self._batches.steps:
                figures = self._train(examples, epoch, step)
            figures = figures | self._validate(held_out, epoch, figures)
            self._watching.on_epoch_end(epoch, figures)
            is_over = self._ranker.stop_training or epoch + 1 == epochs
            self._checkpointer.after_epoch(epoch, is_over)
            if is_over:
                return
            step = 0

    def _train(self, examples: Any, epoch: int, first: int) -> Figures:
        """The steps of an epoch from one on; their figures."""
        figures: Figures = {}
        for step in range(first, self._batches.steps):
            self._watching.on_train_batch_begin(step)
            figures = _to_numbers(self._ranker.train_function, examples)
            position = Position(epoch, step + 1)
            self._watch.check_loss(figures["loss"], position)
            self._watching.on_train_batch_end(step, figures)
            is_last = position.step == self._batches.steps
            if is_last:
                self._watch.check_weights(position)
            self._checkpointer.after_step(position, figures if is_last else None)
        return figures

    def _validate(self, held_out: Any, epoch: int, figures: Figures) -> Figures:
        """The figures of a validation, which SIGTERM may interrupt."""
        position, measured = Position(epoch, self._batches.steps), Figures()
        self._watching.on_test_begin()
        self._ranker.reset_metrics()
        for _ in range(self._validation.steps):
            measured = _to_numbers(self._ranker.test_function, held_out)
            self._checkpointer.after_step(position, figures)
        self._watch.check_validation(measured["loss"], epoch, self._ranker)
        self._watching.on_test_end(measured)
        return {f"val_{name}": value for name, value in measured.items()}


def _to_numbers(step: Callable[[Any], dict[str, tf.Tensor]], batches: Any) -> Figures:
    return {name: float(value) for name, value in step(batches).items()}
