"""Training with parameter servers: workers step each by itself, the chief looks on."""

from collections import deque
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer.checkpoints.checkpointer import Checkpointer
from trainer.checkpoints.progress import Figures, Position
from trainer.dataset import Batches
from trainer.divergence import FiniteWatch
from trainer.model.ranker import Ranker
from trainer.progress import GateTrajectory
from trainer.strategies.distribution import Distribution

# Batches that wait for a worker. More would only take memory.
_AHEAD = 2


class EpochTrajectory(GateTrajectory):
    """Records the gates after each epoch: between, nobody knows how many steps are done.

    Args:
        folder: of the TensorBoard log.
        steps: of an epoch.
    """

    def __init__(self, folder: Path | None, steps: int) -> None:
        super().__init__(folder)
        self._epoch_steps = steps

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the gate."""
        self.step += self._epoch_steps
        self._record()


class AsynchronousFit:
    """Trains until the callbacks stop it; the follower ends with the weights to keep.

    The chief reads the files and gives each batch to the next worker that is free, so an
    epoch has each example once, however fast the workers are. A worker's gradient may be of
    weights that another one has changed since. After each epoch the follower gets the weights
    and is validated, by the chief alone.

    Args:
        place: in whose scope `remote` was made.
        remote: the ranker whose variables the parameter servers keep, compiled.
        follower: a ranker of this process, alike, compiled.
        batches: what to train on.
        validation: what to validate on.
        watching: the callbacks, which look at the follower after each epoch.
        checkpointer: where to begin; before it saves, all batches that were given out are done.
        watch: looks at the losses.
    """

    def __init__(
        self,
        place: Distribution,
        remote: Ranker,
        follower: Ranker,
        batches: Batches,
        validation: Batches,
        watching: tf.keras.callbacks.CallbackList,
        checkpointer: Checkpointer,
        watch: FiniteWatch,
    ) -> None:
        self._remote = remote
        self._follower = follower
        self._batches = batches
        self._validation = validation
        self._watching = watching
        self._checkpointer = checkpointer
        self._watch = watch
        self._coordinator = tf.distribute.coordinator.ClusterCoordinator(place.strategy)
        self._step = tf.function(
            lambda batch: place.strategy.run(remote.train_step, args=(batch,)),
            reduce_retracing=True,
        )
        self._waiting = _AHEAD * place.asynchronous_workers

    def run(self, epochs: int) -> None:
        """Trains at most so many epochs."""
        start = self._checkpointer.progress
        self._checkpointer.settle = self._coordinator.join
        self._follower.set_weights(self._remote.get_weights())
        self._follower.stop_training = False
        self._watching.on_train_begin()
        for epoch in range(start.epoch, 0 if start.is_over else epochs):
            figures = self._train(epoch, start.step if epoch == start.epoch else 0)
            figures |= self._validate(epoch)
            self._watching.on_epoch_end(epoch, figures)
            is_over = self._follower.stop_training or epoch + 1 == epochs
            self._checkpointer.after_epoch(epoch, is_over)
            if is_over:
                break
        self._watching.on_train_end()

    def _train(self, epoch: int, first: int) -> Figures:
        """Gives each batch of an epoch, from one on, to a worker, and waits until all are done."""
        running: deque[tf.distribute.coordinator.RemoteValue] = deque()
        if not first:
            self._remote.reset_metrics()
        position = Position(epoch, first)
        for batch in self._batches.epoch(epoch).skip(first):
            if len(running) == self._waiting:
                loss = float(running.popleft().fetch()["loss"])
                self._watch.check_loss(loss, position, self._waiting)
            running.append(self._coordinator.schedule(self._step, args=(batch,)))
            position = Position(epoch, position.step + 1)
            if position.step < self._batches.steps:
                self._checkpointer.after_step(position)
        self._coordinator.join()
        loss = float(self._remote.objectives.total.result())
        self._watch.check_loss(loss, position, self._waiting)
        self._watch.check_weights(position)
        return {"loss": loss}

    def _validate(self, epoch: int) -> Figures:
        self._follower.set_weights(self._remote.get_weights())
        held_out = self._validation.epoch()
        measured = self._follower.evaluate(held_out, verbose=0, return_dict=True)
        self._watch.check_validation(measured["loss"], epoch, self._follower)
        return {f"val_{name}": float(value) for name, value in measured.items()}
