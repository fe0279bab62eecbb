"""Gates over experts that all tasks share and experts of a task's own, on one level or several."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainer.gates.base import Gate, GateOutput
from trainer.gates.options import GateSection
from trainer.gates.registry import make_gate


class GroupedGate(Gate):
    """Any gate, of which each task chooses among s shared experts and m of its own (CGC).

    Inside, each of the T tasks has s + m experts. Outside there are n = s + T m: the shared
    ones, then those of the first task, and so on; the weight of another task's is 0.

    Args:
        num_tasks: T.
        shared: s.
        own: m.
        options: the gate's section of the YAML.

    Example:
        >>> from trainer.gates.options import SoftmaxOptions
        >>> gate = GroupedGate(2, 1, 1, SoftmaxOptions(kind="softmax"))
        >>> (gate(tf.zeros([1, 3])).weights.numpy() > 0).tolist()
        [[True, True, False], [True, False, True]]

    Reference: Tang et al., RecSys 2020, section 4.1.
    """

    def __init__(self, num_tasks: int, shared: int, own: int, options: GateSection) -> None:
        super().__init__(num_tasks, shared + num_tasks * own, options)
        self.inner = make_gate(num_tasks, shared + own, options)
        self.inner.own_experts = own

    @property
    def sparse(self) -> bool:
        """As the gate inside."""
        return self.inner.sparse

    @property
    def will_converge(self) -> bool:
        """As the gate inside."""
        return self.inner.will_converge

    def call(self, inputs: tf.Tensor, training: bool = False, **about: Any) -> GateOutput:
        """Weights [T, n] or [B, T, n], and the penalties of the gate inside."""
        output: GateOutput = self.inner(inputs, training=training, **about)
        return output._replace(weights=self.inner.spread(output.weights))

    def converged(self) -> tf.Tensor:
        """[T] bool, as the gate inside."""
        return self.inner.converged()

    def selected(self) -> tf.Tensor:
        """[T, n] bool: none of another task's."""
        weights = self.inner.spread(tf.cast(self.inner.selected(), self.compute_dtype))
        return weights > 0


class ProgressiveGate(Gate):
    """Gates of several levels of experts (PLE); those of the last level are this gate's weights.

    Level by level each task has a gate over its own and the shared experts, whose mixture is
    what its own experts of the next level read. One more gate, over all experts of the
    level, makes what the shared experts of the next level read. Every gate that depends on
    the example reads the network's inputs.

    Args:
        num_tasks: T.
        shared: s.
        own: m.
        levels: at least 2.
        options: the gate's section of the YAML, of all gates.

    Example:
        >>> from trainer.gates.options import SoftmaxOptions
        >>> gate = ProgressiveGate(2, 1, 1, 2, SoftmaxOptions(kind="softmax"))
        >>> output = gate(tf.zeros([1, 3]))
        >>> output.weights.shape, [lower.shape for lower in output.lower]
        (TensorShape([2, 3]), [TensorShape([3, 3])])

    Reference: Tang et al., RecSys 2020, section 4.2.
    """

    def __init__(
        self, num_tasks: int, shared: int, own: int, levels: int, options: GateSection
    ) -> None:
        super().__init__(num_tasks, shared + num_tasks * own, options)
        self.task_gates = [GroupedGate(num_tasks, shared, own, options) for _ in range(levels)]
        self.shared_gates = [make_gate(1, self.num_experts, options) for _ in range(levels - 1)]

    @property
    def sparse(self) -> bool:
        """As its gates."""
        return self.task_gates[0].sparse

    @property
    def will_converge(self) -> bool:
        """If every gate does."""
        return all(gate.will_converge for gate in [*self.task_gates, *self.shared_gates])

    def call(self, inputs: tf.Tensor, training: bool = False, **about: Any) -> GateOutput:
        """The last level's weights, those of the levels below, and the penalties of all."""
        tasks = [gate(inputs, training=training, **about) for gate in self.task_gates]
        shared = [gate(inputs, training=training, **about) for gate in self.shared_gates]
        penalties = {
            f"{kind}_{level}_{name}": penalty
            for kind, outputs in (("task", tasks), ("shared", shared))
            for level, output in enumerate(outputs)
            for name, penalty in output.penalties.items()
        }
        lower = tuple(
            tf.concat([below.weights, mix.weights], axis=-2)
            for below, mix in zip(tasks, shared, strict=False)
        )
        return GateOutput(tasks[-1].weights, penalties, lower=lower)

    def converged(self) -> tf.Tensor:
        """[T] bool: the task's gates of every level, and all gates of shared experts."""
        of_tasks = [gate.converged() for gate in self.task_gates]
        of_shared = [gate.converged() for gate in self.shared_gates]
        return tf.reduce_all(tf.stack(of_tasks), axis=0) & tf.reduce_all(tf.concat(of_shared, 0))

    def selected(self) -> tf.Tensor:
        """[T, n] bool, of the last level."""
        return self.task_gates[-1].selected()

    def selected_by_level(self) -> list[tf.Tensor]:
        """[T + 1, n] bool of each level, [T, n] of the last."""
        lower = [
            tf.concat([below.selected(), mix.selected()], axis=0)
            for below, mix in zip(self.task_gates, self.shared_gates, strict=False)
        ]
        return [*lower, self.selected()]


def make_grouped_gate(
    num_tasks: int, shared: int, own: int, levels: int, options: GateSection
) -> Gate:
    """The gate of a ranker; without own experts it is the plain one.

    Args:
        num_tasks: T.
        shared: s.
        own: m.
        levels: of experts.
        options: the gate's section of the YAML.
    """
    if not own:
        return make_gate(num_tasks, shared, options)
    if levels == 1:
        return GroupedGate(num_tasks, shared, own, options)
    return ProgressiveGate(num_tasks, shared, own, levels, options)


def find_owners(num_tasks: int, shared: int, own: int) -> np.ndarray:
    """Whose each expert is, [n]: a task, or T where all tasks share it.

    Example:
        >>> find_owners(2, 3, 1).tolist()
        [2, 2, 2, 0, 1]
    """
    return np.concatenate([np.full(shared, num_tasks), np.repeat(np.arange(num_tasks), own)])
