"""What a ranking request computes once: the part of the first layers that is the user's."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

Parts = Mapping[str, tf.Tensor]
"""Feature -> [1, width] if it is the same for all candidates, else [N, width]."""


class Sides(NamedTuple):
    """The inputs of one user's N candidates: d columns, of which s are the same for all.

    Attributes:
        shared: the user's, [1, s].
        own: the candidates', [N, v].
        shared_columns: places of `shared` among the d columns, [s].
        own_columns: of `own`, [v].
    """

    shared: tf.Tensor
    own: tf.Tensor
    shared_columns: np.ndarray
    own_columns: np.ndarray


class FirstLayer(NamedTuple):
    """What stands in for the inputs x [N, d]: x W = rows @ kernel(W), with fewer columns.

    Attributes:
        sides: of the inputs.
        rows: [N, p].
        across: what the shared rows of W are multiplied by, [q, s].
    """

    sides: Sides
    rows: tf.Tensor
    across: tf.Tensor

    def kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        """W [d, e] -> [p, e]; as much work as a few rows of a product with W."""
        own = tf.gather(kernel, self.sides.own_columns)
        return tf.concat([own, self.across @ tf.gather(kernel, self.sides.shared_columns)], 0)


def spread(parts: Parts, size: int | tf.Tensor) -> tf.Tensor:
    """The inputs [N, d] with what all candidates share repeated.

    Args:
        parts: in the order of the columns.
        size: N.
    """
    return tf.concat(
        [tf.tile(part, [size, 1]) if part.shape[0] == 1 else part for part in parts.values()], 1
    )


def find_sides(parts: Parts) -> Sides | None:
    """The two sides of the inputs; None if there is only one.

    Args:
        parts: in the order of the columns.
    """
    widths = [part.shape[1] for part in parts.values()]
    is_shared = [part.shape[0] == 1 for part in parts.values()]
    if all(is_shared) or not any(is_shared):
        return None
    of_column = np.repeat(is_shared, widths)
    shared = tf.concat([part for part in parts.values() if part.shape[0] == 1], 1)
    own = tf.concat([part for part in parts.values() if part.shape[0] != 1], 1)
    return Sides(shared, own, np.flatnonzero(of_column), np.flatnonzero(~of_column))


def plain(sides: Sides) -> FirstLayer:
    """Of the inputs x = (u, v) themselves: x W = [v, 1] [W_v; u W_u].

    Example:
        >>> x = {"age": tf.constant([[2.0]]), "price": tf.constant([[1.0], [3.0]])}
        >>> first, kernel = plain(find_sides(x)), tf.constant([[10.0], [1.0]])
        >>> tf.squeeze(first.rows @ first.kernel(kernel)).numpy().tolist()
        [21.0, 23.0]
    """
    return FirstLayer(sides, _with_one([sides.own]), sides.shared)


def crossed(sides: Sides, kernel: tf.Tensor, bias: tf.Tensor) -> FirstLayer:
    """Of the inputs x = (u, v) after a cross layer, x * (x C + c) + x.

    Its columns of the user, u * (v C_vu + u C_uu + c_u + 1), are linear in v. So with
    g = v C_vv + u C_uv + c_v + 1 a product with W is
    [v * g, v, 1] [W_v; C_vu diag(u) W_u; (u * (u C_uu + c_u + 1)) W_u].

    Args:
        sides: of the inputs.
        kernel: C, [d, d].
        bias: c, [d].
    """
    user, items = sides.shared_columns, sides.own_columns
    of_user, of_items = tf.gather(kernel, user), tf.gather(kernel, items)
    constant = sides.shared @ of_user + bias + 1.0  # [1, d]
    gates = tf.nn.bias_add(
        sides.own @ tf.gather(of_items, items, axis=1), tf.gather(constant[0], items)
    )
    across = tf.concat(
        [
            tf.gather(of_items, user, axis=1) * sides.shared,
            sides.shared * tf.gather(constant, user, axis=1),
        ],
        0,
    )
    return FirstLayer(sides, _with_one([sides.own * gates, sides.own]), across)


def _with_one(columns: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.concat([*columns, tf.ones_like(columns[0][:, :1])], 1)
