"""The rival: a multi-gate mixture of experts as one writes it in plain Keras.

Experts and towers are lists of layers, each task has a gate of its own that mixes a list of
expert outputs, and each gate makes its selectors from a table of codes, as the public code of
the paper does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from trainer.config import TrainerConfig
from trainer.gates.selector_options import DSelectKOptions
from trainer.model.network import Batch
from trainer.model.ranker import Ranker
from transforms.examples import label_name, weight_name
from transforms.features import NumberFeature
from transforms.preprocessing import FIRST_WORD_ID, missing_name


class ReferenceGate(tf.keras.layers.Layer):
    """One task's static DSelect-k gate: a list of expert outputs [B, e] -> [B, e].

    Args:
        options: k, beta and the entropy's weight.
        num_experts: n, a power of two.
    """

    def __init__(self, options: DSelectKOptions, num_experts: int) -> None:
        super().__init__()
        self.options = options
        bits = num_experts.bit_length() - 1
        codes = (np.arange(num_experts)[:, np.newaxis] >> np.arange(bits)) & 1
        self.codes = tf.constant(codes[np.newaxis], tf.bool)  # [1, n, m]
        k = options.experts_per_task
        self.z = self.add_weight("z", shape=(k, 1, bits), initializer=_small())
        self.alpha = self.add_weight("alpha", shape=(k, 1), initializer=_small())

    def call(self, experts: list[tf.Tensor]) -> tf.Tensor:
        """Mixes; adds the entropy of the selectors to the losses."""
        bits = _smooth_step(self.z, self.options.beta)  # [k, 1, m]
        selectors = tf.reduce_prod(tf.where(self.codes, bits, 1.0 - bits), axis=-1)  # [k, n]
        weights = tf.reduce_sum(tf.nn.softmax(self.alpha, axis=0) * selectors, axis=0)  # [n]
        entropy = -tf.reduce_sum(selectors * tf.math.log(selectors + 1e-6))
        self.add_loss(self.options.entropy_weight * entropy)
        return tf.add_n([weights[i] * expert for i, expert in enumerate(experts)])


class PlainMMoE(tf.keras.Model):
    """The same function as `Ranker` has for a DSelect-k gate and no position tower.

    Args:
        config: of the ranker.
        id_counts: rows of the embedding of each embedded feature.
    """

    def __init__(self, config: TrainerConfig, id_counts: Mapping[str, int]) -> None:
        super().__init__()
        assert isinstance(config.gate, DSelectKOptions)
        self.config, model, layers = config, config.model, tf.keras.layers
        self.embeddings = {
            name: layers.Embedding(
                id_counts[name], getattr(feature, "embedding_dim", None) or model.embedding_dim
            )
            for name, feature in config.features.items()
            if feature.is_embedded
        }
        self.crosses = [tfrs.layers.dcn.Cross() for _ in range(model.cross_layers)]
        self.experts = [
            _make_stack(model.expert_units, model.expert_dropout) for _ in range(model.num_experts)
        ]
        self.gates = [ReferenceGate(config.gate, model.num_experts) for _ in config.tasks]
        self.towers = [_make_stack(model.tower_units, model.tower_dropout) for _ in config.tasks]
        self.heads = [layers.Dense(1) for _ in config.tasks]
        self.mean_loss = tf.keras.metrics.Mean("loss")

    def call(self, batch: Batch, training: bool = False) -> list[tf.Tensor]:
        """Logits [B] of each task."""
        inputs = tf.concat([self._embed(name, batch) for name in self.config.features], axis=-1)
        hidden = inputs
        for cross in self.crosses:
            hidden = cross(inputs, hidden)
        experts = [expert(hidden, training=training) for expert in self.experts]
        return [
            head(tower(gate(experts), training=training))[:, 0]
            for gate, tower, head in zip(self.gates, self.towers, self.heads, strict=True)
        ]

    def _embed(self, name: str, batch: Batch) -> tf.Tensor:
        ids = batch[name]
        feature = self.config.features[name]
        if name not in self.embeddings:
            has_flag = isinstance(feature, NumberFeature) and feature.missing_indicator
            numbers = [ids, batch[missing_name(name)]] if has_flag else [ids]
            return tf.stack(numbers, axis=-1)
        rows = self.embeddings[name](ids)
        if ids.shape.rank == 1:
            return rows
        known = tf.cast(ids >= FIRST_WORD_ID, tf.float32)[..., tf.newaxis]
        return tf.math.divide_no_nan(tf.reduce_sum(rows * known, 1), tf.reduce_sum(known, 1))

    def train_step(self, batch: Batch) -> dict[str, Any]:
        """One step of the optimizer."""
        with tf.GradientTape() as tape:
            logits = self(batch, training=True)
            losses = [
                task.weight * self._loss(task.kind, batch, name, logit)
                for (name, task), logit in zip(self.config.tasks.items(), logits, strict=True)
            ]
            loss = tf.add_n([*losses, *self.losses])
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}

    def _loss(self, kind: str, batch: Batch, name: str, logit: tf.Tensor) -> tf.Tensor:
        label, weight = batch[label_name(name)], batch[weight_name(name)]
        if kind == "classification":
            each = tf.nn.sigmoid_cross_entropy_with_logits(label, logit)
        else:
            each = tf.square(label - logit)
        return tf.reduce_mean(weight * each)


def copy_weights(ranker: Ranker, plain: PlainMMoE) -> None:
    """Gives the rival the ranker's weights; both must have seen a batch."""
    for name, embedding in plain.embeddings.items():
        embedding.set_weights(ranker.feature_inputs.embeddings[name].get_weights())
    for ours, theirs in zip(ranker.crosses, plain.crosses, strict=True):
        theirs.set_weights(ours.get_weights())
    _copy_stack(ranker.experts.layers, [_dense(expert) for expert in plain.experts])
    _copy_stack(ranker.towers.layers, [_dense(tower) for tower in plain.towers])
    _copy_stack([ranker.heads], [[head] for head in plain.heads])
    for i, gate in enumerate(plain.gates):
        gate.z.assign(ranker.gate.z.bias[i][:, tf.newaxis])
        gate.alpha.assign(ranker.gate.alpha.bias[i][:, tf.newaxis])


def _copy_stack(parallel: list[Any], lists: list[list[tf.keras.layers.Layer]]) -> None:
    for depth, layer in enumerate(parallel):
        for i, layers in enumerate(lists):
            layers[depth].set_weights([layer.kernel[i].numpy(), layer.bias[i, 0].numpy()])


def _dense(stack: tf.keras.Sequential) -> list[tf.keras.layers.Layer]:
    return [layer for layer in stack.layers if isinstance(layer, tf.keras.layers.Dense)]


def _make_stack(units: tuple[int, ...], dropout: float) -> tf.keras.Sequential:
    layers: list[tf.keras.layers.Layer] = []
    for width in units:
        layers.append(tf.keras.layers.Dense(width, activation="relu"))
        if dropout:
            layers.append(tf.keras.layers.Dropout(dropout))
    return tf.keras.Sequential(layers)


def _small() -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.RandomUniform(-0.01, 0.01)


def _smooth_step(t: tf.Tensor, beta: float) -> tf.Tensor:
    cubic = -2.0 / beta**3 * t**3 + 1.5 / beta * t + 0.5
    return tf.where(t <= -beta / 2, 0.0, tf.where(t >= beta / 2, 1.0, cubic))
