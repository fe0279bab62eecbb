"""What every gate is: all tasks' expert weights as one computation."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from trainer.gates.options import GateSection


class GateOutput(NamedTuple):
    """What a gate yields for one step.

    Attributes:
        weights: [T, n] of a static gate, [B, T, n] of a per-example gate.
        penalties: name -> scalar, already weighted, to be added to the objective.
        example_weights: what the loss of each example and task counts in training, [B, T],
            from a gate that samples experts; None where all count 1.
        lower: of the levels below, first to last, what mixes their experts for each task and
            for the shared experts of the next level, [.., T + 1, n]; see `ProgressiveGate`.
    """

    weights: tf.Tensor
    penalties: dict[str, tf.Tensor]
    example_weights: tf.Tensor | None = None
    lower: tuple[tf.Tensor, ...] = ()


class Gate(tf.keras.layers.Layer):
    """Base of all gates of T tasks over n experts.

    A static gate ignores its input and yields [T, n]; a per-example gate yields
    [B, T, n]. Rows are non-negative and sum to 1 (DSelect-k over a number of experts that
    is no power of two: at most 1 until it has converged; Gumbel-softmax: at most 1; sampled: 0 for
    an example that found no room in training).

    It computes in the type of its variables, also where the policy's other layers compute
    in half precision: a smooth step has no room for the rounding of 16 bits.

    Args:
        num_tasks: T.
        num_experts: n.
        options: the gate's section of the YAML.

    Attributes:
        own_experts: the last so many of the n are another expert for each task; see
            `GroupedGate`.

    Raises:
        ValueError: if there is no task or no expert, or fewer experts than k.
    """

    own_experts = 0

    def __init__(
        self, num_tasks: int, num_experts: int, options: GateSection, name: str = "gate"
    ) -> None:
        super().__init__(name=name, dtype=tf.keras.mixed_precision.global_policy().variable_dtype)
        if num_tasks < 1 or num_experts < 1:
            raise ValueError(
                "a gate needs at least one task and one expert. Received: "
                f"num_tasks={num_tasks}, num_experts={num_experts}"
            )
        k = getattr(options, "experts_per_task", 1)
        if k > num_experts:
            raise ValueError(
                "`experts_per_task` must be at most `num_experts`. Received: "
                f"experts_per_task={k}, num_experts={num_experts}"
            )
        self.num_tasks = num_tasks
        self.num_experts = num_experts
        self.options = options

    @property
    def per_example(self) -> bool:
        """Whether the weights depend on the example."""
        return self.options.per_example

    @property
    def sparse(self) -> bool:
        """Whether an example or a task uses some of the experts only."""
        return True

    @property
    def will_converge(self) -> bool:
        """Whether it surely converges after enough training steps that meet its budget."""
        return False

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Computes the weights and penalties; `inputs` is [B, d].

        A per-example gate has one more argument, `part: BatchPart | None = None`, which its
        penalties over examples ask which rows are examples and how many all replicas have.
        """
        raise NotImplementedError

    def temperature(self) -> float | tf.Tensor:
        """What the logits of its selectors are divided by now, a scalar."""
        return 1.0

    def converged(self) -> tf.Tensor:
        """[T] bool: the task's set of experts will not change any more.

        Only gates with selectors that become binary ever say so.
        """
        return tf.zeros([self.num_tasks], tf.bool)

    def static_weights(self) -> tf.Tensor:
        """[T, n]: the weights of a static gate, as they are outside of training."""
        weights: tf.Tensor = self(tf.zeros([1, 1])).weights
        return weights

    def selected(self) -> tf.Tensor:
        """[T, n] bool: the experts that the task may use (all, for a per-example gate)."""
        if self.per_example:
            return tf.ones([self.num_tasks, self.num_experts], tf.bool)
        return self.static_weights() > 0

    def selected_by_level(self) -> list[tf.Tensor]:
        """Who may use which expert of each level, first to last; see `GateOutput.lower`."""
        return [self.selected()]

    @property
    def spread_all(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """`spread`; None where it would change nothing."""
        return self.spread if self.own_experts else None

    def spread(self, values: tf.Tensor) -> tf.Tensor:
        """Of the n experts that each task has -> of all experts that there are, 0 elsewhere.

        Args:
            values: [.., T, n].

        Returns:
            [.., T, n + (T - 1) * own_experts]: first what tasks share, then each task's own.
        """
        if not self.own_experts:
            return values
        tasks, own = self.num_tasks, self.own_experts
        shared, mine = tf.split(values, [self.num_experts - own, own], axis=-1)
        is_mine = tf.eye(tasks, dtype=values.dtype)[..., tf.newaxis]  # [T, T, 1]
        placed = mine[..., tf.newaxis, :] * is_mine  # [.., T, T, own]
        rows = [-1 if rows is None else rows for rows in mine.shape[:-1]]
        return tf.concat([shared, tf.reshape(placed, [*rows, tasks * own])], axis=-1)


class TaskLogits(tf.keras.layers.Layer):
    """A trained tensor [T, *shape] for all tasks, or per example x W + b: [B, T, *shape].

    Args:
        shape: (T, ...) of the tensor.
        per_example: whether it depends on the example.
        initializer: of the tensor (static) or of the bias (per example).
        axes: what the axes of the tensor are, for a later training that goes on from these
            weights with other ones: `tasks`, `experts`, `selectors` or `bits`.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        per_example: bool,
        initializer: tf.keras.initializers.Initializer,
        name: str,
        axes: tuple[str, ...] = ("tasks", "experts"),
    ) -> None:
        super().__init__(name=name, dtype=tf.keras.mixed_precision.global_policy().variable_dtype)
        self.tensor_shape = shape
        self.per_example = per_example
        self.initializer = initializer
        self.axes = axes

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the bias, and the kernel [d, T * ...] of a per-example gate."""
        self.bias = self.add_weight("bias", shape=self.tensor_shape, initializer=self.initializer)
        if self.per_example:
            # Small at first, so that a selector starts inside its smooth step.
            self.kernel = self.add_weight(
                "kernel",
                shape=(int(input_shape[-1]), int(tf.TensorShape(self.tensor_shape).num_elements())),
                initializer=tf.keras.initializers.RandomNormal(stddev=1e-3),
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[T, *shape], or [B, T, *shape] per example."""
        if not self.per_example:
            return tf.convert_to_tensor(self.bias)
        product = tf.matmul(inputs, self.kernel)  # [B, T * ...]
        # One expert has no bits, and how many rows nothing has cannot be inferred.
        rows = -1 if product.shape[-1] else tf.shape(inputs)[0]
        return tf.reshape(product, (rows, *self.tensor_shape)) + self.bias


class LogitGate(Gate):
    """Base of the gates whose weights are a function of one logit a task and expert."""

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes the logits [T, n]."""
        self.logits = TaskLogits(
            (self.num_tasks, self.num_experts),
            self.per_example,
            tf.keras.initializers.RandomUniform(-0.05, 0.05),
            name="logits",
        )
        super().build(input_shape)
