"""The toy of the experiment `estimators`: lines as experts, mixed by a linear softmax gate."""

from dataclasses import dataclass

import numpy as np

from trainer.estimators.capacity import FloatArray

ENDS = np.array([0.1, 0.4, 0.7])  # of the pieces; the first is more than half of [-1, 1]
SLOPES = np.array([1.0, -2.0, 3.0, -1.0])
INTERCEPTS = np.array([0.3, 1.2, -2.0, 0.2])


@dataclass(frozen=True)
class Model:
    """gate and experts, both [..., n, 2]: slope and intercept of the logit and of the line."""

    gate: FloatArray
    experts: FloatArray


def target(x: FloatArray) -> FloatArray:
    """The function to learn: four lines with jumps between them."""
    piece = np.searchsorted(ENDS, x)
    return np.asarray(SLOPES[piece] * x + INTERCEPTS[piece])


def forward(model: Model, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(logits, residuals), both [..., B, n], for x [..., B]."""
    design = np.stack([x, np.ones_like(x)], axis=-1)  # [..., B, 2]
    logits = design @ np.swapaxes(model.gate, -1, -2)
    return logits, design @ np.swapaxes(model.experts, -1, -2) - target(x)[..., np.newaxis]


def gradient_terms(x: FloatArray, residuals: FloatArray, log_gate: FloatArray) -> FloatArray:
    """g_i(j) = f_i(j) grad log p(j|x_i) + grad f_i(j), [..., B, n, 4n], gate first."""
    num_experts = residuals.shape[-1]
    design = np.stack([x, np.ones_like(x)], axis=-1)[..., np.newaxis, np.newaxis, :]
    to_logits = np.eye(num_experts) - np.exp(log_gate)[..., np.newaxis, :]  # [..., B, n, n]
    to_gate = (residuals**2)[..., np.newaxis] * to_logits
    to_lines = 2.0 * residuals[..., np.newaxis] * np.eye(num_experts)
    both = np.concatenate([to_gate, to_lines], axis=-1)[..., np.newaxis] * design
    return both.reshape(*residuals.shape, 4 * num_experts)


def start(seeds: int, num_experts: int, rng: np.random.Generator) -> Model:
    """A model a seed whose experts are random lines, in the order of x: the gate has begun."""
    shape = (seeds, num_experts, 2)
    begun = np.linspace([-2.0, 1.0], [2.0, -0.5], num_experts)  # [n, 2]
    return Model(begun + rng.normal(scale=0.3, size=shape), rng.normal(scale=0.7, size=shape))
