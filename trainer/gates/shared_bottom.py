"""The shared bottom: the case without experts."""

import tensorflow as tf

from trainer.gates.base import Gate, GateOutput
from trainer.gates.options import SharedBottomOptions


class SharedBottomGate(Gate):
    """All tasks share the bottom layers: one stack, whose weight is 1 for each task.

    A ranker with this gate has one stack in place of its experts, so training, export and
    report need no case of their own. `units` chooses its widths.

    Example:
        >>> gate = SharedBottomGate(2, 1, SharedBottomOptions(kind="shared_bottom"))
        >>> gate(tf.zeros([1, 3])).weights.numpy().tolist()
        [[1.0], [1.0]]

    Raises:
        ValueError: if it shall weigh more than one stack.
    """

    options: SharedBottomOptions

    def __init__(
        self, num_tasks: int, num_experts: int, options: SharedBottomOptions, name: str = "gate"
    ) -> None:
        super().__init__(num_tasks, num_experts, options, name)
        if num_experts != 1:
            raise ValueError(f"a shared bottom is one stack. Received: num_experts={num_experts}")

    def call(self, inputs: tf.Tensor, training: bool = False) -> GateOutput:
        """Weights [T, 1], all 1; no penalty."""
        return GateOutput(tf.ones([self.num_tasks, 1], self.compute_dtype), {})

    def converged(self) -> tf.Tensor:
        """[T] bool, all true: there is nothing to select."""
        return tf.ones([self.num_tasks], tf.bool)
