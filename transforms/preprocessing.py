"""`preprocessing_fn`: raw features to what the model reads, once for training and serving.

Every feature is transformed on its own, so that serving can transform a user's features
once and the candidates' features apart from them.
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from transforms.config import DataConfig
from transforms.examples import POSITION, label_name, weight_name
from transforms.features import CategoricalFeature, Feature, NumberFeature

_MAX_Z_SCORE = 10.0
_MIN_RATE = 1e-4

FIRST_WORD_ID = 1
"""Ids below this one mean missing or padding."""


def missing_name(feature: str) -> str:
    """The transformed feature that is 1 where the raw number was missing.

    Example:
        >>> missing_name("age")
        'age_missing'
    """
    return f"{feature}_missing"


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """TFX's entry point: transforms one batch of raw features.

    Args:
        inputs: raw tensors by name: words and numbers [B] (missing: empty word, NaN),
            lists of words as sparse [B, *], labels and weights [B].
        custom_config: `{"data": DataConfig as JSON}`.

    Returns:
        Numbers [B] float32; ids [B] int64, or [B, max_values] for lists (0 = missing);
        position, labels and weights as they are.
    """
    config = DataConfig.model_validate_json(custom_config["data"])
    outputs: dict[str, tf.Tensor] = {}
    for name, feature in config.features.items():
        outputs |= transform_feature(name, feature, inputs[name])
    if not config.has_position:
        outputs[POSITION] = inputs[POSITION]
    for task in config.tasks:
        for column in (label_name(task), weight_name(task)):
            outputs[column] = inputs[column]
    return outputs


def transform_feature(name: str, feature: Feature, value: Any) -> dict[str, tf.Tensor]:
    """Transforms one feature; the result has one or, with `missing_indicator`, two tensors.

    Args:
        name: of the feature, and of its vocabulary.
        feature: how it is transformed.
        value: the raw tensor, see `preprocessing_fn`.
    """
    if isinstance(feature, CategoricalFeature):
        return {name: _to_ids(name, feature, value)}
    outputs = {name: _to_number(name, feature, value)}
    if feature.missing_indicator:
        outputs[missing_name(name)] = tf.cast(tf.math.is_nan(value), tf.float32)
    return outputs


def _to_number(name: str, feature: NumberFeature, value: tf.Tensor) -> tf.Tensor:
    known = tf.math.is_finite(value)
    number = tf.where(known, value, tf.zeros_like(value))
    if feature.transform in ("log1p", "log_z_score"):
        number = tf.sign(number) * tf.math.log1p(tf.abs(number))
    if feature.transform == "logit_z_score":
        rate = tf.clip_by_value(number, _MIN_RATE, 1.0 - _MIN_RATE)
        number = tf.math.log(rate) - tf.math.log1p(-rate)
    # Analyzers read the known values only: a missing number must not move the mean.
    if feature.transform == "buckets":
        boundaries = tft.quantiles(
            tf.boolean_mask(number, known), feature.num_buckets, epsilon=0.01, name=name
        )
        bucket = tft.apply_buckets(number, boundaries) + FIRST_WORD_ID
        return tf.where(known, bucket, tf.zeros_like(bucket))
    if feature.transform in ("z_score", "log_z_score", "logit_z_score"):
        seen = tf.boolean_mask(number, known)
        mean, variance = tft.mean(seen, name=f"{name}_mean"), tft.var(seen, name=f"{name}_var")
        number = tf.math.divide_no_nan(number - mean, tf.sqrt(variance))
        number = tf.clip_by_value(number, -_MAX_Z_SCORE, _MAX_Z_SCORE)
    return tf.where(known, number, tf.zeros_like(number))


def _to_ids(name: str, feature: CategoricalFeature, value: Any) -> tf.Tensor:
    words = _pad_words(value, feature.max_values) if feature.multivalued else value
    if feature.hash_buckets is not None:
        ids = tf.strings.to_hash_bucket_fast(words, feature.hash_buckets)
    else:
        ids = _look_up(name, feature, words)
    return tf.where(words != "", ids + FIRST_WORD_ID, tf.zeros_like(ids))


def _look_up(name: str, feature: CategoricalFeature, words: tf.Tensor) -> tf.Tensor:
    vocabulary = tft.vocabulary(
        tf.boolean_mask(words, words != ""),
        top_k=feature.vocabulary_size,
        frequency_threshold=feature.min_count if feature.min_count > 1 else None,
        vocab_filename=name,
    )
    return tft.apply_vocabulary(words, vocabulary, num_oov_buckets=feature.num_oov_buckets)


def _pad_words(value: Any, max_values: int) -> tf.Tensor:
    """Lists of words as a dense [B, max_values], filled up with empty words."""
    if not isinstance(value, tf.SparseTensor):
        return value
    dense = tf.sparse.to_dense(value, default_value="")[:, :max_values]
    padding = max_values - tf.shape(dense)[1]
    padded = tf.pad(dense, [[0, 0], [0, padding]], constant_values="")
    return tf.ensure_shape(padded, [None, max_values])


def num_ids(feature: Feature, name: str, transform: tft.TFTransformOutput) -> int:
    """How many rows an embedding of the transformed feature needs.

    Args:
        feature: an embedded feature.
        name: its name.
        transform: the analysed transform graph.
    """
    if isinstance(feature, NumberFeature):
        return feature.num_buckets + FIRST_WORD_ID
    if feature.hash_buckets is not None:
        return feature.hash_buckets + FIRST_WORD_ID
    words: int = transform.vocabulary_size_by_name(name)
    return words + feature.num_oov_buckets + FIRST_WORD_ID
