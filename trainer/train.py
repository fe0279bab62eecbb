"""The training of one ranker, the same under every distribution strategy."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.board import make_board
from trainer.checkpoints.checkpointer import Checkpointer, checkpointing
from trainer.checkpoints.folder import CheckpointFolder
from trainer.checkpoints.state import TrainingState
from trainer.config import TrainerConfig
from trainer.dataset import Batches
from trainer.divergence import FiniteWatch
from trainer.model.ranker import Ranker
from trainer.optimizers import make_optimizer
from trainer.progress import GateTrajectory, StopAtBest
from trainer.progress_bar import ProgressBar
from trainer.record import make_record
from trainer.strategies.asynchronous import AsynchronousFit, EpochTrajectory
from trainer.strategies.distribution import Distribution, one_device
from trainer.strategies.synchronous import SynchronousFit
from trainer.union_training import TrainUnion
from trainer.warm_start.start import start_from
from transforms.errors import DivergedError
from transforms.preprocessing import num_ids

_LOG = logging.getLogger("gaterank.train")
# TensorFlow knows so many seeds; with a global one of 0, no shuffle takes a tensor for its seed.
_SEEDS, _FOR_ZERO = 2**31 - 1, 2**30


def train(
    config: TrainerConfig,
    transform: tft.TFTransformOutput,
    train_files: Sequence[str],
    eval_files: Sequence[str],
    record_dir: Path,
    place: Distribution | None = None,
    checkpoints: CheckpointFolder | None = None,
    base: Path | None = None,
) -> tuple[Ranker, dict[str, Any]]:
    """Trains a ranker until the validation loss improves no more.

    Args:
        config: features, tasks, gate, model and training.
        transform: the analysed transform graph.
        train_files: patterns of transformed examples.
        eval_files: the same, for early stopping.
        record_dir: where TensorBoard's log goes; only the chief writes it.
        place: where it trains, from `distributed`; by default on one device.
        checkpoints: where its state is saved, and from where it goes on if it was interrupted;
            None for nowhere.
        base: the file with the weights that it begins from; None for fresh ones.

    Returns:
        The ranker with its best weights, of plain variables under every strategy, and the
        JSON-able record of the training, which only the chief has whole.

    Raises:
        DivergedError: if the loss is not finite.
        PreemptedError: if SIGTERM came; there is a checkpoint then.
        InputError: if the base cannot be read, or is not whole.
    """
    place = place or one_device()
    training = config.training
    tf.keras.utils.set_random_seed(training.seed % _SEEDS or _FOR_ZERO)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    batches = Batches(train_files, transform, training.batch_size, training.seed, training.cache_mb)
    validation = Batches(eval_files, transform, 4 * training.batch_size, cache_mb=training.cache_mb)
    make = partial(make_ready, config, transform, batches, batches.mean_labels(config.tasks))
    with place.strategy.scope():
        ranker = make()
    kept = ranker if place.is_local else make()
    begun = _begin(ranker, kept, place, transform, base)
    log_dir = record_dir / "tensorboard" if place.is_chief else None
    stop, union = StopAtBest(training.patience), TrainUnion()
    gates = (
        EpochTrajectory(log_dir, batches.steps)
        if place.asynchronous_workers
        else GateTrajectory(log_dir)
    )
    board = make_board(log_dir, training.batch_size, training.profile)
    bar = ProgressBar(training.max_epochs, batches.steps, training.batch_size)
    watching = tf.keras.callbacks.CallbackList(
        # The bar goes before what logs a line at the end of an epoch.
        [*([] if place.asynchronous_workers else [bar]), union, gates, stop, *board],
        model=kept if place.asynchronous_workers else ranker,
    )
    watch = FiniteWatch(ranker, batches, validation)
    state = TrainingState(ranker, stop, gates, union, watch, not place.asynchronous_workers)
    with checkpointing(state, place, training.checkpoint, checkpoints) as checkpointer:
        try:
            _fit(place, ranker, kept, batches, validation, watching, checkpointer, watch)
        except DivergedError as error:
            raise DivergedError(f"{error}. {checkpointer.tell_last()}") from None
        seconds, resumed = checkpointer.seconds, checkpointer.progress.resumed
    epochs = len(stop.epochs)
    record = make_record(kept, gates, stop) | {
        "union_training": union.describe(training.batch_size),
        "total_steps": epochs * batches.steps,
        "seconds": round(seconds, 3),
        "examples_per_second": round(epochs * batches.size / seconds, 1),
        "base": begun,
        "resumed": [{"epoch": epoch + 1, "step": step} for epoch, step in resumed],
    }
    _LOG.info("best epoch %d of %d", stop.best_epoch, epochs)
    return kept, record


def make_ranker(
    config: TrainerConfig, transform: tft.TFTransformOutput, label_means: Mapping[str, float]
) -> Ranker:
    """A ranker whose embeddings fit the transform's vocabularies.

    Args:
        config: features, tasks, gate, model.
        transform: the analysed transform graph.
        label_means: task -> mean label in training.
    """
    id_counts = {
        name: num_ids(feature, name, transform)
        for name, feature in config.features.items()
        if feature.is_embedded and feature.words_of is None
    }
    return Ranker(config, id_counts, label_means)


def make_ready(
    config: TrainerConfig,
    transform: tft.TFTransformOutput,
    batches: Batches,
    label_means: Mapping[str, float],
) -> Ranker:
    """A ranker to train, with all its variables and those of its optimizer.

    Args:
        config: features, tasks, gate, model and training.
        transform: the analysed transform graph.
        batches: what it is trained on.
        label_means: task -> mean label in training.
    """
    ranker = make_ranker(config, transform, label_means)
    ranker(next(iter(batches.epoch())))
    ranker.set_output_biases()
    ranker.compile(optimizer=make_optimizer(config.training, batches.steps))
    ranker.optimizer.build(ranker.trainable_variables)
    return ranker


def _begin(
    ranker: Ranker,
    kept: Ranker,
    place: Distribution,
    transform: tft.TFTransformOutput,
    base: Path | None,
) -> dict[str, Any] | None:
    """Takes over a base's weights, by the ranker that is kept, whose variables are plain."""
    if base is None:
        if ranker.config.training.base is not None:
            _LOG.info("starts from scratch: there is no base yet")
        return None
    if kept is ranker:
        return start_from(ranker, transform, base)
    kept.set_weights(ranker.get_weights())
    begun = start_from(kept, transform, base)
    with place.strategy.scope():
        ranker.set_weights(kept.get_weights())
    return begun


def _fit(
    place: Distribution,
    ranker: Ranker,
    kept: Ranker,
    batches: Batches,
    validation: Batches,
    watching: tf.keras.callbacks.CallbackList,
    checkpointer: Checkpointer,
    watch: FiniteWatch,
) -> None:
    """Trains the ranker; its weights at the end go to the one that is kept."""
    epochs = ranker.config.training.max_epochs
    about = (batches, validation, watching, checkpointer, watch)
    if place.asynchronous_workers:
        AsynchronousFit(place, ranker, kept, *about).run(epochs)
        return
    SynchronousFit(place, ranker, *about).run(epochs)
    if kept is not ranker:
        kept.set_weights(ranker.get_weights())
