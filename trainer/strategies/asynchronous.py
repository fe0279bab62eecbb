"""Training with parameter servers: workers step each by itself, the chief looks on."""

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer.dataset import Batches
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


def fit_asynchronously(
    place: Distribution,
    remote: Ranker,
    follower: Ranker,
    batches: Batches,
    validation: Batches,
    epochs: int,
    callbacks: Sequence[tf.keras.callbacks.Callback],
) -> None:
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
        epochs: at most.
        callbacks: what looks at the follower after each epoch.
    """
    coordinator = tf.distribute.coordinator.ClusterCoordinator(place.strategy)
    step = tf.function(
        lambda batch: place.strategy.run(remote.train_step, args=(batch,)), reduce_retracing=True
    )
    waiting = _AHEAD * place.asynchronous_workers
    watching = tf.keras.callbacks.CallbackList(callbacks, model=follower)
    follower.set_weights(remote.get_weights())
    follower.stop_training = False
    watching.on_train_begin()
    for epoch in range(epochs):
        remote.reset_metrics()
        _train_epoch(coordinator, step, batches.epoch(epoch), waiting)
        logs = {"loss": float(remote.objectives.total.result())}
        follower.set_weights(remote.get_weights())
        measured = follower.evaluate(validation.epoch(), verbose=0, return_dict=True)
        logs |= {f"val_{name}": value for name, value in measured.items()}
        watching.on_epoch_end(epoch, logs)
        if follower.stop_training:
            break
    watching.on_train_end()


def _train_epoch(
    coordinator: tf.distribute.coordinator.ClusterCoordinator,
    step: Callable[..., Any],
    batches: tf.data.Dataset,
    waiting: int,
) -> None:
    """Gives each batch to a worker, and waits until all are done."""
    running: deque[tf.distribute.coordinator.RemoteValue] = deque()
    for batch in batches:
        if len(running) == waiting:
            running.popleft().fetch()
        running.append(coordinator.schedule(step, args=(batch,)))
    coordinator.join()
