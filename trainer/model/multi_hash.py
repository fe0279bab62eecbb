"""Several small embedding tables in place of a large one."""

import numpy as np
import tensorflow as tf

from transforms.features import MultiHash
from transforms.preprocessing import FIRST_WORD_ID

# The largest prime below 2^31: products of two smaller numbers fit 63 bits.
_PRIME = 2**31 - 1
_SEED = 20210606


class MultiHashEmbedding(tf.keras.layers.Layer):
    """E(x) = sum_j T_j[h_j(x)], or their concatenation; h_j(x) = ((a_j x + b_j) mod p) mod rows.

    The factors are the same in every process and version, and the hash is part of the model,
    so that serving hashes as training did. Id 0, for missing, has a row of its own.

    Args:
        options: number of hashes, rows, how they are combined.
        dim: columns of a table.
        name: of the layer.

    Example:
        >>> layer = MultiHashEmbedding(MultiHash(hashes=2, rows=100), 4, "item")
        >>> layer(tf.constant([0, 10**8])).shape
        TensorShape([2, 4])

    Reference: Svenstrup, Hansen, Winther, NeurIPS 2017, arXiv 1709.03933; the hashes are those
    of Carter and Wegman, 1979.
    """

    def __init__(self, options: MultiHash, dim: int, name: str) -> None:
        super().__init__(name=name)
        self.options = options
        self.table = tf.keras.layers.Embedding(
            FIRST_WORD_ID + options.hashes * options.rows, dim, name="tables"
        )
        # NumPy promises that this generator's stream never changes.
        stream = np.random.RandomState(_SEED)
        self.factors = stream.randint(1, _PRIME, size=(2, options.hashes), dtype=np.int64)

    def hash(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids [...] -> rows of the tables, one below the other, [..., hashes]."""
        ids = tf.cast(ids, tf.int64)[..., tf.newaxis]
        mixed = ((ids % _PRIME) * self.factors[0] + self.factors[1]) % _PRIME
        first = np.arange(self.options.hashes) * self.options.rows + FIRST_WORD_ID
        rows = mixed % self.options.rows + first
        return tf.where(ids < FIRST_WORD_ID, tf.zeros_like(rows), rows)

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """Ids [...] -> [..., dim], or [..., hashes * dim] by `concat`."""
        rows = self.table(self.hash(ids))  # [..., hashes, dim]
        if self.options.combine == "sum":
            return tf.reduce_sum(rows, axis=-2)
        width = rows.shape[-2] * rows.shape[-1]
        return tf.reshape(rows, tf.concat([tf.shape(ids), [width]], axis=0))
