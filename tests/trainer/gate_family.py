"""Every gate of the registry in small, and what the laws need to know of each."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.gates.base import Gate, GateOutput
from trainer.gates.registry import make_gate, parse_gate

NUM_TASKS = 3


@dataclass(frozen=True)
class Case:
    """A gate's section without k.

    Attributes:
        kind: of the gate.
        options: the others.
        has_k: whether `experts_per_task` is an option.
        converges: whether its selectors become binary.
        sums_to_one: whether its rows do before convergence, also where n is no power of two.
        is_random: whether training draws noise.
        estimates: whether its gradient is an estimate, which no drawn value has as its own.
        on_host: whether training runs NumPy, which XLA cannot compile.
        training_only: whether it differs from another case in training only.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    has_k: bool = False
    converges: bool = False
    sums_to_one: bool = True
    is_random: bool = False
    estimates: bool = False
    on_host: bool = False
    training_only: bool = False

    def make(self, n: int = 8, k: int = 2, tasks: int = NUM_TASKS, **options: Any) -> Gate:
        """The gate, built for inputs [., 4]."""
        per_task = {"experts_per_task": k} if self.has_k else {}
        section = parse_gate({"kind": self.kind} | self.options | per_task | options)
        gate = make_gate(tasks, section.count_experts(n), section)
        gate(tf.zeros([1, 4]))
        return gate


def balanced(kind: str) -> Case:
    """A per-example Top-k gate with a kind of balance."""
    return Case(
        "top_k", {"per_example": True, "balance": {"kind": kind}}, has_k=True, training_only=True
    )


def sampled(**options: Any) -> Case:
    """A sampled gate, which at serving does not show its router."""
    skips, is_random = "router" not in options, options.get("router") != "top_k_dropped"
    return Case(
        "sampled",
        options,
        is_random=is_random,
        estimates=is_random,
        on_host=not skips,
        training_only=not skips,
    )


PER_EXAMPLE = {"per_example": True}
BUDGET = {"serving_budget": 1, "budget_weight": 1.0, "budget_growth": 0.1}
FAMILY = {
    "softmax": Case("softmax"),
    "softmax-per-example": Case("softmax", PER_EXAMPLE),
    "shared-bottom": Case("shared_bottom"),
    "top-k": Case("top_k", has_k=True),
    "top-k-per-example": Case("top_k", PER_EXAMPLE, has_k=True),
    "top-k-importance": balanced("importance"),
    "top-k-kl": balanced("kl"),
    "top-k-relative": balanced("relative"),
    "top-k-mean": balanced("mean"),
    "noisy-top-k": Case("noisy_top_k", has_k=True, is_random=True),
    "sampled-skip": sampled(balance={"kind": "kl"}),
    "sampled-balanced": sampled(router="balanced", capacity_factor=1.0),
    "sampled-greedy": sampled(router="greedy"),
    "sampled-top-k-dropped": sampled(router="top_k_dropped", experts_per_task=2),
    "gumbel": Case("gumbel_softmax", sums_to_one=False, is_random=True),
    "gumbel-budget": Case(
        "gumbel_softmax", BUDGET, sums_to_one=False, is_random=True, training_only=True
    ),
    "dselect-k": Case("dselect_k", has_k=True, converges=True, sums_to_one=False),
    "dselect-k-random-codes": Case(
        "dselect_k", {"unused_codes": "random"}, has_k=True, converges=True
    ),
    "dselect-k-budget": Case(
        "dselect_k",
        BUDGET | {"entropy_growth": 0.1},
        has_k=True,
        converges=True,
        sums_to_one=False,
        training_only=True,
    ),
    "dselect-k-per-example": Case(
        "dselect_k",
        PER_EXAMPLE | {"balance": {"kind": "kl"}},
        has_k=True,
        converges=True,
        sums_to_one=False,
    ),
    "dselect-k-beta": Case(
        "dselect_k",
        PER_EXAMPLE | {"beta_steps": 10},
        has_k=True,
        converges=True,
        sums_to_one=False,
    ),
    "annealed": Case("dselect_k_annealed", {"steps": 10}, has_k=True, converges=True),
    "annealed-budget": Case(
        "dselect_k_annealed",
        BUDGET | {"steps": 10},
        has_k=True,
        converges=True,
        training_only=True,
    ),
    "entropy": Case("dselect_k_entropy", has_k=True, converges=True),
    "entropy-budget": Case(
        "dselect_k_entropy", BUDGET, has_k=True, converges=True, training_only=True
    ),
}


def spread(gate: Gate, seed: int = 0, scale: float = 0.2) -> Gate:
    """Draws all trained variables, wide enough that no two experts are alike."""
    rng = np.random.default_rng(seed)
    for variable in gate.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * scale)
    return gate


def harden(gate: Gate, seed: int = 0) -> Gate:
    """Moves every selector to one expert that exists, whatever the input."""
    rng = np.random.default_rng(seed)
    shape = (gate.num_tasks, gate.options.experts_per_task)
    experts = rng.integers(gate.num_experts, size=shape)
    if gate.options.kind == "dselect_k":
        bits = experts[..., np.newaxis] >> np.arange(gate.num_bits) & 1
        gate.z.bias.assign((bits * 2.0 - 1.0) * gate.options.beta)
        if gate.per_example:
            gate.z.kernel.assign(tf.zeros_like(gate.z.kernel))
    else:
        gate.gamma.bias.assign(2000.0 * np.eye(gate.num_experts)[experts])
    return gate


def weighted_sum(output: GateOutput, cotangent: tf.Tensor) -> tf.Tensor:
    """A scalar in which every weight counts, and what each example counts."""
    losses = output.weights * tf.cast(cotangent, output.weights.dtype)
    if output.example_weights is not None:
        losses *= output.example_weights[..., tf.newaxis]
    return tf.reduce_sum(losses)


def objective(gate: Gate, inputs: tf.Tensor, cotangent: np.ndarray) -> tf.Tensor:
    """A scalar of a training step in which every weight and penalty counts."""
    output = gate(inputs, training=True)
    return tf.add_n([weighted_sum(output, cotangent), *output.penalties.values()])
