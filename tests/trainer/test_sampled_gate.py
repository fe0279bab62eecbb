"""The sampled gate: what it does to the objective's gradient, and what it serves."""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimators.registry import ROUTERS
from trainer.gates.registry import make_gate
from trainer.gates.sampled_options import SampledOptions
from trainer.loss.objective import TaskObjectives
from transforms.examples import label_name, weight_name
from transforms.tasks import Task

BATCH, NUM_EXPERTS = 4, 2
# Every task is one more sample of the same problem.
TASKS = {
    f"task_{i}": Task(
        kind="regression", group="g", weight=2.0, label={"event": "e", "aggregation": "sum"}
    )
    for i in range(32)
}


def make(router: str, tasks: int = 1, experts: int = NUM_EXPERTS, **options):
    k = 2 if router == "top_k_dropped" else 1
    section = SampledOptions(kind="sampled", router=router, experts_per_task=k, **options)
    gate = make_gate(tasks, experts, section)
    gate(tf.zeros([1, 3]))
    return gate


class Problem:
    """A ranker without all else: a gate, the outputs [T, B, n] of its experts, the objective."""

    def __init__(self, router: str) -> None:
        rng = np.random.default_rng(0)
        self.inputs = tf.constant(rng.normal(size=(BATCH, 3)), tf.float32)
        self.gate = make(router, len(TASKS), capacity_factor=1.0)
        kernel = np.repeat(rng.normal(size=(3, 1, NUM_EXPERTS)), len(TASKS), axis=1)
        self.gate.logits.kernel.assign(kernel.reshape(3, -1))
        self.gate.logits.bias.assign(np.tile([1.0, 0.0], (len(TASKS), 1)))
        outputs = np.repeat(rng.normal(size=(1, BATCH, NUM_EXPERTS)), len(TASKS), axis=0)
        self.outputs = tf.Variable(outputs, dtype=tf.float32)
        self.objectives = TaskObjectives(TASKS)
        # The third example is masked.
        self.weights = tf.constant([1.0, 2.0, 0.0, 1.0])
        labels = {label_name(task): tf.constant([0.0, 2.0, 9.0, -1.0]) for task in TASKS}
        self.batch = labels | {weight_name(task): self.weights for task in TASKS}
        self.variables = [self.gate.logits.bias, self.outputs]

    @tf.function
    def sample(self) -> list[tf.Tensor]:
        """The gradient of a training step; [T, ...] each, a task a sample."""
        with tf.GradientTape() as tape:
            output = self.gate(self.inputs, training=True)
            logits = tf.einsum("btn,tbn->tb", output.weights, self.outputs)
            losses = self.objectives(logits, self.batch, True, output.example_weights)
        return tape.gradient(losses.total, self.variables)

    def target(self) -> list[np.ndarray]:
        """The gradient of the mean over all experts, computed without sampling."""
        labels = self.batch[label_name("task_0")]
        with tf.GradientTape() as tape:
            probs = tf.nn.softmax(self.gate.logits(self.inputs))  # [B, T, n]
            losses = tf.square(self.outputs - labels[:, tf.newaxis])  # [T, B, n]
            expected = tf.einsum("btn,tbn->tb", probs, losses)
            loss = 2.0 * tf.reduce_sum(expected * self.weights) / BATCH
        return [gradient.numpy()[0] for gradient in tape.gradient(loss, self.variables)]


def error_in_sigmas(router: str, steps: int = 400) -> float:
    """The largest error of the mean gradient of 32 samples a step, in standard errors."""
    tf.keras.utils.set_random_seed(1)
    problem = Problem(router)
    samples = [problem.sample() for _ in range(steps)]
    errors = []
    for draws, truth in zip(zip(*samples, strict=True), problem.target(), strict=True):
        drawn = np.concatenate(draws)  # [steps * T, ...]
        sigma = drawn.std(axis=0) / np.sqrt(len(drawn))
        errors.append((np.abs(drawn.mean(axis=0) - truth) / np.maximum(sigma, 1e-9)).max())
    return max(errors)


@pytest.mark.parametrize("router", ["skip", "balanced"])
def test_the_gradient_of_the_objective_is_that_of_the_mean_over_experts(router):
    assert error_in_sigmas(router) < 4.5


@pytest.mark.parametrize("router", ["plain_skip", "plain_balanced", "greedy"])
def test_with_a_biased_rival_it_is_not(router):
    assert error_in_sigmas(router, 100) > 10


def test_every_router_of_the_registry_is_an_option():
    assert set(get_args(SampledOptions.model_fields["router"].annotation)) == set(ROUTERS)


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("size", [1, 5, 40])
def test_no_expert_has_more_examples_of_a_task_than_its_share_of_this_batch(router, size):
    gate = make(router, 3, 4, capacity_factor=1.5)
    gate.logits.bias.assign(np.tile([2.0, 1.0, 0.0, 0.0], (3, 1)))
    output = gate(tf.zeros([size, 3]), training=True)
    weights = output.weights.numpy()  # [B, T, n]
    assert weights.shape == (size, 3, 4)
    assert (weights > 0).sum(axis=0).max() <= np.ceil(1.5 * size / 4)
    if router == "top_k_dropped":
        assert output.example_weights is None
    else:
        counted = output.example_weights.numpy() > 0
        np.testing.assert_array_equal(weights.sum(axis=-1), counted.astype(float))


def test_dropped_examples_keep_the_gradient_of_their_other_weights():
    gate = make("top_k_dropped", 1, 3, capacity_factor=1.0)
    gate.logits.bias.assign([[1.0, 0.0, -9.0]])
    with tf.GradientTape() as tape:
        weights = gate(tf.zeros([3, 3]), training=True).weights
        loss = tf.reduce_sum(weights[..., 0])
    first = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(weights[:, 0], [[first, 1 - first, 0], [0] * 3, [0] * 3], atol=1e-6)
    slope = first * (1 - first)
    gradient = tape.gradient(loss, gate.logits.bias)
    np.testing.assert_allclose(gradient, [[slope, -slope, 0]], atol=1e-6)


def test_serving_asks_the_likeliest_expert():
    gate = make("skip", 2, 4)
    gate.logits.kernel.assign(tf.random.stateless_normal([3, 8], [1, 2]))
    inputs = tf.random.stateless_normal([50, 3], [3, 4])
    output = gate(inputs)
    best = np.argmax(gate.logits(inputs), axis=-1)
    np.testing.assert_allclose(output.weights, np.eye(4)[best], rtol=1e-6)
    assert output.example_weights is None and output.penalties == {}


def test_balance_is_asked_of_the_probabilities():
    gate = make("skip", 1, 2, balance={"kind": "importance", "weight": 2.0})
    gate.logits.bias.assign([[np.log(3.0), 0.0]])
    penalties = gate(tf.zeros([8, 3]), training=True).penalties
    assert float(penalties["balance_importance"]) == pytest.approx(2 * 0.25)
