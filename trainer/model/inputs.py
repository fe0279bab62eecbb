"""From transformed features to one dense input of all experts."""

from collections.abc import Mapping

import tensorflow as tf

from trainer.batch_part import BatchPart, mean_over_examples
from trainer.model.options import Model
from transforms.features import CategoricalFeature, Feature, Features, NumberFeature
from transforms.preprocessing import FIRST_WORD_ID, missing_name


class IdEmbedding(tf.keras.layers.Layer):
    """Embeds ids [B] or lists of ids [B, M]; a list becomes the mean over its known ids.

    Args:
        num_ids: rows of the table; id 0 is missing or padding.
        dim: columns of the table.
        dropout: share of training examples whose id is replaced by 0.
        l2: weight of the mean squared norm of the rows that a batch looks up.
        name: of the feature.

    Example:
        >>> IdEmbedding(10, 4, 0.0, 0.0, "tags")(tf.constant([[1, 2, 0]])).shape
        TensorShape([1, 4])
    """

    def __init__(self, num_ids: int, dim: int, dropout: float, l2: float, name: str) -> None:
        super().__init__(name=f"embed_{name}")
        self.table = tf.keras.layers.Embedding(num_ids, dim, name=name)
        self.dropout = dropout
        self.l2 = l2

    def call(
        self, ids: tf.Tensor, training: bool = False, part: BatchPart | None = None
    ) -> tf.Tensor:
        """[B, dim]; `part` is whose rows they are, for the penalty."""
        if training and self.dropout:
            kept = tf.random.uniform(tf.shape(ids)[:1]) >= self.dropout
            kept = tf.reshape(kept, [-1] + [1] * (ids.shape.rank - 1))
            ids = tf.where(kept, ids, tf.zeros_like(ids))
        rows = self.table(ids)  # [B, dim] or [B, M, dim]
        if training and self.l2:
            squares = tf.reduce_sum(tf.square(rows), -1)  # [B] or [B, M]
            if ids.shape.rank > 1:
                squares = tf.reduce_mean(squares, 1)
            self.add_loss(self.l2 * mean_over_examples(squares, part))
        if ids.shape.rank == 1:
            return rows
        known = tf.cast(ids >= FIRST_WORD_ID, rows.dtype)[..., tf.newaxis]  # [B, M, 1]
        return tf.math.divide_no_nan(tf.reduce_sum(rows * known, 1), tf.reduce_sum(known, 1))


class FeatureInputs(tf.keras.layers.Layer):
    """Concatenates numbers and embeddings of all features, in the order of the YAML.

    Args:
        features: the YAML's features.
        id_counts: rows of the embedding of each embedded feature.
        model: default embedding width.
        l2: see `IdEmbedding`.
    """

    def __init__(
        self, features: Features, id_counts: Mapping[str, int], model: Model, l2: float
    ) -> None:
        super().__init__(name="inputs")
        self.features = dict(features)
        self.embeddings = {
            name: IdEmbedding(
                id_counts[name],
                feature.embedding_dim or model.embedding_dim,
                _dropout(feature),
                l2,
                name,
            )
            for name, feature in features.items()
            if feature.is_embedded
        }

    def call(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool = False,
        part: BatchPart | None = None,
    ) -> tf.Tensor:
        """Transformed features by name -> [B, d]."""
        return self.concat(self.parts(inputs, training, part))

    def parts(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool = False,
        part: BatchPart | None = None,
    ) -> dict[str, tf.Tensor]:
        """Feature -> [B, width], for those features that `inputs` has.

        Serving asks for the user's part and the candidates' part apart from each other.
        """
        parts = {}
        for name, feature in self.features.items():
            if name not in inputs:
                continue
            if name in self.embeddings:
                parts[name] = self.embeddings[name](inputs[name], training=training, part=part)
                continue
            numbers = [inputs[name]]
            if isinstance(feature, NumberFeature) and feature.missing_indicator:
                numbers.append(inputs[missing_name(name)])
            parts[name] = tf.stack(numbers, axis=-1)  # [B, 1 or 2]
        return parts

    def concat(self, parts: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Joins the parts of all features: [B, d]."""
        return tf.concat([parts[name] for name in self.features], axis=-1)


def _dropout(feature: Feature) -> float:
    return feature.dropout if isinstance(feature, CategoricalFeature) else 0.0
