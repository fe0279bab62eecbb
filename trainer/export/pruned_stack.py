"""Parallel layers of which only some members are served."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from trainer.model.extraction import LevelUse
from trainer.model.stacks import ParallelDense, ParallelStack, mix

Rows = list[tf.Tensor]
Read = Callable[[tf.Tensor], tf.Tensor]
"""A matrix -> what to use in its place."""
# More experts of a task are mixed by a product of matrices.
_FEW = 3
# Ratios of smaller weights, one after another, would leave the range of numbers.
_MIN_WEIGHT = 0.01


class PrunedStack(tf.Module):
    """Those members of parallel layers that stay, each with matrices of its own.

    A product of two matrices takes in its bias and activation, one of a stack of them does
    not; and a signature of one task takes what is its own without copying it.

    Args:
        layers: of all members.
        used: the places of those that stay.
        name: of the matrices.
    """

    def __init__(self, layers: Sequence[ParallelDense], used: np.ndarray, name: str) -> None:
        super().__init__(name=name)
        self.activations = [layer.activation for layer in layers]
        self.members = [
            [_keep(layer, member, f"{name}_{i}_{place}") for place, member in enumerate(used)]
            for i, layer in enumerate(layers)
        ]

    def __call__(
        self, hidden: Rows, which: np.ndarray, read: Read, read_first: Read | None = None
    ) -> Rows:
        """The input [B, in] of each of some members -> their outputs, [B, out] each.

        Args:
            hidden: the inputs.
            which: the members' places.
            read: of every matrix.
            read_first: of the first kernels, if it is another one.
        """
        for i, (activation, members) in enumerate(zip(self.activations, self.members, strict=True)):
            read_kernel = read_first if read_first and not i else read
            hidden = [
                activation(tf.nn.bias_add(x @ read_kernel(kernel), read(bias)))
                for x, (kernel, bias) in zip(hidden, [members[n] for n in which], strict=True)
            ]
        return hidden

    def scale_inputs(self, factors: np.ndarray) -> None:
        """Has each member compute as if its input were so many times as large."""
        for (kernel, _), factor in zip(self.members[0], factors, strict=True):
            kernel.assign(kernel * factor)

    def scale_outputs(self, factors: np.ndarray) -> None:
        """Has each member give so many times its output; factors are positive.

        That holds for layers that end in a ReLU, or in nothing: f(a x) = a f(x), a > 0.
        """
        for pair, factor in zip(self.members[-1], factors, strict=True):
            for variable in pair:
                variable.assign(variable * factor)


class PrunedLevel(tf.Module):
    """The experts of a level that some task needs.

    Args:
        stack: all n experts.
        weights: of the gate, [rows, n].
        used: the places of those that stay.
        owners: whose each expert is, [n].
        name: of the kernels.
    """

    def __init__(
        self,
        stack: ParallelStack,
        weights: np.ndarray,
        used: np.ndarray,
        owners: np.ndarray,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.weights = weights[:, used]
        self.owners = owners[used]
        self.experts = PrunedStack(stack.layers, used, name)

    def __call__(
        self,
        hidden: Rows,
        below: np.ndarray | None,
        use: LevelUse,
        read: Read,
        read_first: Read | None,
    ) -> Rows:
        """[[B, d]], or [B, d] of each row below -> [B, e] of each row that is in use."""
        places = np.zeros(len(use.experts), int)
        if below is not None:
            places = np.searchsorted(below, self.owners[use.experts])
        inputs = [hidden[place] for place in places]
        outputs = self.experts(inputs, use.experts, read, read_first)
        return mix_rows(self.weights[np.ix_(use.rows, use.experts)], outputs)

    def simplify(self) -> np.ndarray:
        """Makes as many weights 1 as can be, each a product less for each candidate.

        Experts give so many times their output as makes up for it.

        Returns:
            [rows]; how many times what a row gets now it would have got.
        """
        rows, experts = find_scales(self.weights)
        self.experts.scale_outputs(experts)
        self.weights = self.weights / np.outer(rows, experts)
        self.weights[np.isclose(self.weights, 1.0, rtol=1e-6)] = 1.0
        return rows


def find_scales(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales of rows and of columns whose products are as many of the weights as can be.

    Rows and columns are the nodes of a graph, with an edge for each weight: along the edges
    of a tree each node's scale follows from the one before.

    Args:
        weights: [rows, n], none negative.

    Returns:
        [rows] and [n], positive.

    Example:
        >>> weights = np.array([[0.5, 0.5], [0.2, 0.8]])
        >>> (weights / np.outer(*find_scales(weights))).round(3).tolist()
        [[4.0, 1.0], [1.0, 1.0]]
    """
    scales = [np.zeros(size) for size in weights.shape]
    edges = [weights.astype(float), weights.astype(float).T]
    for root in np.argsort(-weights.max(axis=1, initial=0.0), kind="stable"):
        if scales[0][root]:
            continue
        scales[0][root] = 1.0
        reached = [(0, root)]
        while reached:
            side, node = reached.pop(0)
            for other in np.argsort(-edges[side][node], kind="stable"):
                weight = edges[side][node][other]
                if weight >= _MIN_WEIGHT and not scales[1 - side][other]:
                    scales[1 - side][other] = weight / scales[side][node]
                    reached.append((1 - side, other))
    rows, columns = (np.where(scale, scale, 1.0) for scale in scales)
    return rows, columns


def mix_rows(weights: np.ndarray, experts: Rows) -> Rows:
    """sum_n weights[t, n] * experts[n] for each row t.

    Args:
        weights: known numbers, [rows, n].
        experts: n of [B, e].

    Example:
        >>> experts = [tf.ones([1, 2]), tf.fill([1, 2], 3.0)]
        >>> [x.numpy().tolist() for x in mix_rows(np.array([[1.0, 0.0], [0.5, 0.5]]), experts)]
        [[[1.0, 1.0]], [[2.0, 2.0]]]
    """
    counts = (weights != 0).sum(axis=1)
    if counts.min(initial=1) == 0 or counts.max(initial=0) > _FEW:
        mixed = mix(tf.constant(weights, experts[0].dtype), tf.stack(experts))  # [rows, B, e]
        return list(tf.unstack(mixed, num=len(weights)))
    # A product and a sum for each expert take less time than a product by a matrix of zeros.
    return [
        tf.add_n([x if w == 1.0 else x * w for w, x in zip(row, experts, strict=True) if w])
        for row in weights.astype(experts[0].dtype.as_numpy_dtype)
    ]


def _keep(layer: ParallelDense, member: int, name: str) -> tuple[tf.Variable, tf.Variable]:
    """The kernel [in, out] and bias [out] of a member that stays."""
    return (
        tf.Variable(layer.kernel[member], trainable=False, name=f"{name}_kernel"),
        tf.Variable(layer.bias[member, 0], trainable=False, name=f"{name}_bias"),
    )
