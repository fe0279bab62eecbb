"""From transformed features to one dense input of all experts."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.batch_part import BatchPart
from trainer.model.attention import TargetAttention
from trainer.model.embeddings import make_embeddings
from trainer.model.options import Model
from transforms.features import Features, NumberFeature
from transforms.preprocessing import missing_name


class FeatureInputs(tf.keras.layers.Layer):
    """Concatenates numbers and embeddings of all features, in the order of the YAML.

    Args:
        features: the YAML's features.
        id_counts: rows of the embedding of each embedded feature.
        model: widths.
        l2: see `IdEmbedding`.
    """

    def __init__(
        self, features: Features, id_counts: Mapping[str, int], model: Model, l2: float
    ) -> None:
        super().__init__(name="inputs")
        self.features = dict(features)
        self.embeddings = make_embeddings(features, id_counts, model.embedding_dim, l2)
        self.attentions = {
            name: TargetAttention(model.attention_units, f"attend_{name}")
            for name, feature in features.items()
            if not isinstance(feature, NumberFeature) and feature.pooling == "attention"
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
    ) -> dict[str, Any]:
        """Feature -> [B, width], for those features that `inputs` has.

        Serving asks for the user's parts, [1, width] each, and the candidates' parts apart
        from each other. A list that attention is to pool is an `EmbeddedList`: it waits for
        the candidate.
        """
        parts: dict[str, Any] = {}
        for name, feature in self.features.items():
            if name not in inputs:
                continue
            if name in self.attentions:
                parts[name] = self.embeddings[name].look_up(inputs[name], training, part)
                continue
            if name in self.embeddings:
                parts[name] = self.embeddings[name](inputs[name], training=training, part=part)
                continue
            numbers = [inputs[name]]
            if isinstance(feature, NumberFeature) and feature.missing_indicator:
                numbers.append(inputs[missing_name(name)])
            parts[name] = tf.stack(numbers, axis=-1)  # [B, 1 or 2]
        return parts

    def pool(self, parts: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """The same with every list pooled, in the order of the columns: [B, width] each."""
        return {name: self._pooled(name, parts) for name in self.features}

    def concat(self, parts: Mapping[str, Any]) -> tf.Tensor:
        """Joins the parts of all features: [B, d]."""
        return tf.concat(list(self.pool(parts).values()), axis=-1)

    def _pooled(self, name: str, parts: Mapping[str, Any]) -> tf.Tensor:
        if name not in self.attentions:
            return parts[name]
        candidate = self.features[name].words_of
        assert candidate is not None
        return self.attentions[name](parts[candidate], parts[name])
