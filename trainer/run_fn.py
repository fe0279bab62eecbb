"""`run_fn`: TFX's entry point of both Trainers, and the training loop behind it."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.config import TrainerConfig, Training
from trainer.dataset import mean_labels, read_batches
from trainer.export.save import save_ranker
from trainer.progress import GateTrajectory, StopAtBest
from trainer.ranker import Ranker
from trainer.union_training import TrainUnion
from transforms.preprocessing import num_ids

TRAINING_FILE = "training.json"
_LOG = logging.getLogger("gaterank.train")
_OPTIMIZERS = {
    "adam": tf.keras.optimizers.Adam,
    "adagrad": tf.keras.optimizers.Adagrad,
    "sgd": tf.keras.optimizers.SGD,
}


def run_fn(fn_args: Any) -> None:
    """Trains one ranker and exports it; TFX calls this by its dotted path.

    Args:
        fn_args: TFX's arguments. `custom_config["trainer"]` is a `TrainerConfig` as JSON;
            the pruned model goes to `serving_model_dir`, the full one to
            `eval_model_dir`, the record of the training to `model_run_dir`.
    """
    config = TrainerConfig.model_validate_json(fn_args.custom_config["trainer"])
    transform = tft.TFTransformOutput(fn_args.transform_output)
    record_dir = Path(fn_args.model_run_dir)
    ranker, record = train(config, transform, fn_args.train_files, fn_args.eval_files, record_dir)
    record_dir.mkdir(parents=True, exist_ok=True)
    (record_dir / TRAINING_FILE).write_text(json.dumps(record, allow_nan=False))
    save_ranker(ranker, transform, Path(fn_args.serving_model_dir), pruned=True)
    save_ranker(ranker, transform, Path(fn_args.eval_model_dir), pruned=False)


def train(
    config: TrainerConfig,
    transform: tft.TFTransformOutput,
    train_files: list[str],
    eval_files: list[str],
    record_dir: Path,
) -> tuple[Ranker, dict[str, Any]]:
    """Trains a ranker until the validation loss improves no more.

    Args:
        config: features, tasks, gate, model and training.
        transform: the analysed transform graph.
        train_files: patterns of transformed examples.
        eval_files: the same, for early stopping.
        record_dir: where TensorBoard's log goes.

    Returns:
        The ranker with its best weights, and the JSON-able record of the training.
    """
    tf.keras.utils.set_random_seed(config.training.seed)
    batch_size = config.training.batch_size
    batches = read_batches(train_files, transform, batch_size, config.training.seed)
    validation = read_batches(eval_files, transform, 4 * batch_size)
    ranker = make_ranker(config, transform, mean_labels(batches, config.tasks))
    ranker(next(iter(batches)))
    ranker.set_output_biases()
    ranker.compile(optimizer=_make_optimizer(config.training, batches))
    trajectory = GateTrajectory(record_dir / "tensorboard")
    stop, union = StopAtBest(config.training.patience), TrainUnion()
    started = time.perf_counter()
    ranker.fit(
        batches,
        validation_data=validation,
        epochs=config.training.max_epochs,
        callbacks=[
            union,
            trajectory,
            stop,
            tf.keras.callbacks.TensorBoard(record_dir / "tensorboard", write_graph=False),
        ],
        verbose=0,
    )
    record = _make_record(ranker, trajectory, stop, time.perf_counter() - started)
    record["union_training"] = union.describe(batch_size)
    record["examples_per_second"] = round(trajectory.step * batch_size / record["seconds"], 1)
    _LOG.info("best epoch %d of %d", stop.best_epoch, len(stop.epochs))
    return ranker, record


def make_ranker(
    config: TrainerConfig, transform: tft.TFTransformOutput, label_means: dict[str, float]
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
        if feature.is_embedded
    }
    return Ranker(config, id_counts, label_means)


def _make_optimizer(training: Training, batches: tf.data.Dataset) -> tf.keras.optimizers.Optimizer:
    rate = training.learning_rate
    if training.final_learning_rate < 1.0:
        steps = int(batches.reduce(0, lambda count, _: count + 1)) * training.max_epochs
        rate = tf.keras.optimizers.schedules.CosineDecay(
            rate, steps, alpha=training.final_learning_rate
        )
    return _OPTIMIZERS[training.optimizer](rate)


def _make_record(
    ranker: Ranker, trajectory: GateTrajectory, stop: StopAtBest, seconds: float
) -> dict[str, Any]:
    config = ranker.config
    steps_to_binary = ranker.converged_step.numpy().tolist()
    return {
        "gate": config.gate.model_dump(),
        "num_experts": config.num_experts,
        "tasks": {n: {"kind": t.kind, "group": t.group} for n, t in config.tasks.items()},
        "steps": trajectory.steps,
        "gate_weights": {
            task: [row[i].round(6).tolist() for row in trajectory.weights]
            for i, task in enumerate(ranker.tasks)
        },
        "importance": _importance(ranker),
        "converged_step": {
            task: step if step >= 0 else None
            for task, step in zip(ranker.tasks, steps_to_binary, strict=True)
        },
        "total_steps": trajectory.step,
        "epochs": stop.epochs,
        "best_epoch": stop.best_epoch,
        "label_means": dict(ranker.label_means),
        "seconds": round(seconds, 3),
    }


def _importance(ranker: Ranker) -> dict[str, list[float]]:
    """Task -> each expert's share of the importance in validation; empty for a static gate.

    The metric's state is among the weights, so it is that of the epoch that was kept.
    """
    if ranker.gate_measures is None:
        return {}
    shares = ranker.gate_measures.shares().numpy()
    return {task: shares[i].round(6).tolist() for i, task in enumerate(ranker.tasks)}
