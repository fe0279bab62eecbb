"""Two small trainings of the project's own gates, for the pictures of docs/gates.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.gates.registry import make_gate, parse_gate
from trainer.model.stacks import ParallelDense, ParallelStack

FloatArray = npt.NDArray[np.float32]
_NUM_FEATURES = 10
_BATCH_SIZE = 256
# NumPy, so that importing this file starts no TensorFlow device.
NOTHING = np.zeros((1, 1), np.float32)


@dataclass(frozen=True)
class Recovery:
    """Frozen experts, some of which made the labels.

    Attributes:
        outputs: of each expert for each example, [N, n].
        labels: [N], a mean of the chosen experts with random weights.
        chosen: the experts behind the labels.
    """

    outputs: FloatArray
    labels: FloatArray
    chosen: tuple[int, ...]


@dataclass(frozen=True)
class Trajectory:
    """A gate while it trains.

    Attributes:
        steps: [S].
        weights: [S, n] of one task.
        binary_step: where its selectors became binary, or None.
        loss: at the end, over all examples.
    """

    steps: FloatArray
    weights: FloatArray
    binary_step: int | None
    loss: float


def make_recovery(num_experts: int = 16, num_chosen: int = 4, seed: int = 0) -> Recovery:
    """Experts are sums of four random ReLU units, scaled to mean 0 and deviation 1.

    Args:
        num_experts: n.
        num_chosen: how many of them the labels are made of.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(10_000, _NUM_FEATURES))
    units = rng.normal(size=(num_experts, _NUM_FEATURES, 4))
    outputs = np.maximum(np.einsum("bi,nio->nbo", x, units), 0.0).sum(axis=-1).T  # [N, n]
    outputs = (outputs - outputs.mean(axis=0)) / outputs.std(axis=0)
    chosen = np.sort(rng.choice(num_experts, num_chosen, replace=False))
    labels = outputs[:, chosen] @ rng.dirichlet(np.full(num_chosen, 8.0))
    return Recovery(outputs.astype(np.float32), labels.astype(np.float32), tuple(chosen.tolist()))


def train_recovery(
    recovery: Recovery, section: Mapping[str, Any], learning_rate: float, steps: int
) -> Trajectory:
    """Only the gate trains: Adam on the squared error of the mixed outputs.

    Args:
        recovery: experts and labels.
        section: the gate's, as in the YAML.
        learning_rate: of Adam.
        steps: how many.
    """
    tf.keras.utils.set_random_seed(1)
    gate = make_gate(1, recovery.outputs.shape[1], parse_gate(dict(section)))
    gate(NOTHING)
    optimizer = tf.keras.optimizers.Adam(learning_rate)
    batches = tf.data.Dataset.from_tensor_slices((recovery.outputs, recovery.labels))
    batches = batches.shuffle(10_000, seed=1).repeat().batch(_BATCH_SIZE).take(steps)

    @tf.function(autograph=False)
    def step(outputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            weights, penalties = gate(NOTHING, training=True)[:2]
            error = tf.linalg.matvec(outputs, weights[0]) - labels
            loss = tf.add_n([tf.reduce_mean(error**2), *penalties.values()])
        variables = gate.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return gate(NOTHING).weights[0], gate.converged()[0]

    rows, binary_step = [gate(NOTHING).weights[0].numpy()], None
    for number, (outputs, labels) in enumerate(batches, start=1):
        weights, converged = step(outputs, labels)
        rows.append(weights.numpy())
        if binary_step is None and bool(converged):
            binary_step = number
    error = recovery.outputs @ rows[-1] - recovery.labels
    return Trajectory(
        np.arange(steps + 1, dtype=np.float32),
        np.stack(rows),
        binary_step,
        float((error**2).mean()),
    )


@dataclass(frozen=True)
class Mixture:
    """A trained mixture of experts.

    Attributes:
        weights: of the gate, [T, n].
        error: mean squared error over tasks, on examples that were not trained on.
    """

    weights: FloatArray
    error: float


def make_tasks(tasks_per_group: int = 4, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Two groups of regression tasks; those of a group are sums over the same eight ReLU units.

    Args:
        tasks_per_group: half of T.
        seed: of everything.

    Returns:
        x [N, d] and labels [N, T], each label with deviation 1.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12_000, _NUM_FEATURES))
    labels = []
    for _ in range(2):
        hidden = np.maximum(x @ rng.normal(size=(_NUM_FEATURES, 8)), 0.0)
        labels.append(hidden @ rng.normal(1.0, 0.7, size=(8, tasks_per_group)))
    joined = np.concatenate(labels, axis=1)
    joined = (joined - joined.mean(axis=0)) / joined.std(axis=0)
    return x.astype(np.float32), joined.astype(np.float32)


def train_mixture(
    data: tuple[FloatArray, FloatArray],
    section: Mapping[str, Any],
    learning_rate: float,
    steps: int,
    num_experts: int = 8,
) -> Mixture:
    """Experts of eight ReLU units, a gate and a linear head a task, trained by Adam.

    Args:
        data: x and labels; the last sixth is held out.
        section: the gate's, as in the YAML.
        learning_rate: of Adam.
        steps: how many.
        num_experts: n.
    """
    tf.keras.utils.set_random_seed(1)
    x, labels = (tf.constant(values) for values in data)
    split, num_tasks = len(x) * 5 // 6, labels.shape[1]
    experts = ParallelStack(num_experts, (8,), 0.0, "experts")
    gate = make_gate(num_tasks, num_experts, parse_gate(dict(section)))
    heads = ParallelDense(num_tasks, 1, None, "heads")
    optimizer = tf.keras.optimizers.Adam(learning_rate)

    def forward(inputs: tf.Tensor, training: bool) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        weights, penalties = gate(inputs, training=training)[:2]
        mixed = tf.einsum("tn,nbe->tbe", weights, experts(inputs))
        return tf.transpose(heads(mixed)[..., 0]), penalties

    @tf.function(autograph=False)
    def step() -> None:
        chosen = tf.random.uniform([_BATCH_SIZE], 0, split, tf.int32)
        with tf.GradientTape() as tape:
            predictions, penalties = forward(tf.gather(x, chosen), training=True)
            errors = tf.square(predictions - tf.gather(labels, chosen))
            losses = tf.reduce_sum(tf.reduce_mean(errors, axis=0))
            loss = tf.add_n([losses, *penalties.values()])
        variables = [
            *experts.trainable_variables,
            *gate.trainable_variables,
            *heads.trainable_variables,
        ]
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(steps):
        step()
    error = tf.reduce_mean(tf.square(forward(x[split:], training=False)[0] - labels[split:]))
    return Mixture(gate(NOTHING).weights.numpy(), float(error))
