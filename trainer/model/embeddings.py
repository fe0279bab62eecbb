"""From ids to vectors."""

from collections.abc import Mapping

import tensorflow as tf

from trainer.batch_part import BatchPart, mean_over_examples
from trainer.model.attention import EmbeddedList
from trainer.model.multi_hash import MultiHashEmbedding
from trainer.noise import hide
from transforms.features import CategoricalFeature, Feature, SequenceFeature
from transforms.preprocessing import FIRST_WORD_ID


class IdEmbedding(tf.keras.layers.Layer):
    """Embeds ids [B] or lists of ids [B, M]; a list becomes the mean over its known ids.

    Args:
        table: ids [...] -> [..., dim]; id 0 is missing or padding. It may be another
            feature's too.
        dropout: share of training examples whose id is replaced by 0.
        l2: weight of the mean squared norm of the rows that a batch looks up.
        name: of the feature.

    Example:
        >>> table = tf.keras.layers.Embedding(10, 4)
        >>> IdEmbedding(table, 0.0, 0.0, "tags")(tf.constant([[1, 2, 0]])).shape
        TensorShape([1, 4])
    """

    def __init__(self, table: tf.keras.layers.Layer, dropout: float, l2: float, name: str) -> None:
        super().__init__(name=f"embed_{name}")
        self.table = table
        self.dropout = dropout
        self.l2 = l2

    def call(
        self, ids: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> tf.Tensor:
        """[B, dim]; `part` is whose rows they are, for the penalty."""
        listed = self.look_up(ids, training, part)
        if ids.shape.rank == 1:
            return listed.rows
        known = tf.cast(listed.known, listed.rows.dtype)[..., tf.newaxis]  # [B, M, 1]
        return tf.math.divide_no_nan(tf.reduce_sum(listed.rows * known, 1), tf.reduce_sum(known, 1))

    def look_up(
        self, ids: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> EmbeddedList:
        """The rows of all ids, [B, dim] or [B, M, dim], and which of a list are known."""
        if training and self.dropout:
            ids = hide(ids, self.dropout)
        rows = self.table(ids)  # [B, dim] or [B, M, dim]
        if training and self.l2:
            squares = tf.reduce_sum(tf.square(rows), -1)  # [B] or [B, M]
            if ids.shape.rank > 1:
                squares = tf.reduce_mean(squares, 1)
            self.add_loss(self.l2 * mean_over_examples(squares, part))
        return EmbeddedList(rows, ids >= FIRST_WORD_ID if ids.shape.rank > 1 else None)


def make_embeddings(
    features: Mapping[str, Feature], id_counts: Mapping[str, int], default_dim: int, l2: float
) -> dict[str, IdEmbedding]:
    """An embedding of each embedded feature; those that share words share the table.

    Args:
        features: the YAML's features.
        id_counts: rows of the table of each feature that owns one.
        default_dim: columns, where the feature names none.
        l2: see `IdEmbedding`.
    """
    tables = {
        name: _make_table(name, feature, id_counts, feature.embedding_dim or default_dim)
        for name, feature in features.items()
        if feature.is_embedded and not isinstance(feature, SequenceFeature)
        if feature.words_of is None
    }
    return {
        name: IdEmbedding(tables[feature.words_of or name], _dropout(feature), l2, name)
        for name, feature in features.items()
        if feature.is_embedded
    }


def _make_table(
    name: str, feature: Feature, id_counts: Mapping[str, int], dim: int
) -> tf.keras.layers.Layer:
    if isinstance(feature, CategoricalFeature) and feature.multi_hash is not None:
        return MultiHashEmbedding(feature.multi_hash, dim, name)
    return tf.keras.layers.Embedding(id_counts[name], dim, name=name)


def _dropout(feature: Feature) -> float:
    return feature.dropout if isinstance(feature, CategoricalFeature) else 0.0
