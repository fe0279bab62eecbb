"""The sampled gate: in training each example goes to one expert a task, under a capacity."""

import tensorflow as tf

from trainer.batch_part import BatchPart
from trainer.estimators.ops import estimating_weights, make_route
from trainer.gates.balance import make_balance
from trainer.gates.base import GateOutput, LogitGate
from trainer.gates.sampled_options import SampledOptions
from trainer.gates.top_k import keep_top_k


class SampledGate(LogitGate):
    """w = one hot of z ~ p(.|x) = softmax(x A + b), per example and task.

    The objective is the mean of E_{z ~ p} f(z), f the loss with expert z. A router decides
    who is computed where no expert computes more than c examples of a task, and says how much
    each loss counts, so that with `skip` and `balanced` the gradient of the objective has
    the gradient of that mean as its own: w (f grad log p + grad f). An example that found no
    room has no expert and counts 0. Each replica routes its own examples. Here every expert
    is still computed for every example: the capacity is one of the estimate, not of the work.

    Serving asks the likeliest expert, and has no capacity.

    `top_k_dropped` samples nothing: its weights are softmax(KeepTopK), 0 where an expert was
    full, with a gradient of their own.

    Example:
        >>> gate = SampledGate(2, 4, SampledOptions(kind="sampled", capacity_factor=1.0))
        >>> output = gate(tf.zeros([8, 3]), training=True)
        >>> output.weights.shape, output.example_weights.shape
        (TensorShape([8, 2, 4]), TensorShape([8, 2]))

    Reference: Kool, Maddison, Mnih 2021, arXiv 2109.11817.
    """

    options: SampledOptions

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the logits, the router and the balance."""
        options = self.options
        self.route = make_route(options.router, options.capacity_factor, options.experts_per_task)
        self.balance = make_balance(
            options.balance,
            self.num_tasks,
            self.num_experts,
            options.experts_per_task,
            self.compute_dtype,
        )
        super().build(input_shape)

    def call(
        self, inputs: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> GateOutput:
        """Weights [B, T, n]; in training the router's, with what each example counts."""
        logits, k = self.logits(inputs), self.options.experts_per_task  # [B, T, n]
        if not training:
            return GateOutput(keep_top_k(logits, k), {})
        by_task = tf.transpose(logits, [1, 0, 2])  # [T, B, n]: each task is a batch of its own
        routed = tf.transpose(self.route(by_task), [1, 0, 2])  # [B, T, n]
        log_probs = tf.nn.log_softmax(logits)
        penalties = self.balance.penalties(tf.exp(log_probs), part)
        if self.options.router == "top_k_dropped":
            kept = tf.cast(routed > 0, logits.dtype)
            return GateOutput(kept * keep_top_k(logits, k), penalties)
        chosen = tf.cast(routed > 0, logits.dtype)
        example_weights = estimating_weights(
            tf.reduce_sum(routed, axis=-1), tf.reduce_sum(chosen * log_probs, axis=-1)
        )  # [B, T]
        return GateOutput(chosen, penalties, example_weights)
