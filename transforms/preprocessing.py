"""`preprocessing_fn`: raw features to what the model reads, once for training and serving.

Every feature is transformed on its own, so that serving can transform a user's features
once and the candidates' features apart from them.
"""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from transforms.config import DataConfig
from transforms.examples import POSITION, label_name, weight_name
from transforms.features import CategoricalFeature, Feature, Features, NumberFeature
from transforms.shared_words import owner_of

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


def words_name(feature: str) -> str:
    """The tensor of the transform graph with a list's words [B, M], filled up with empty ones.

    Example:
        >>> words_name("tags")
        'tags_words'
    """
    return f"{feature}_words"


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """TFX's entry point: transforms one batch of raw features.

    Args:
        inputs: raw tensors by name: words and numbers [B] (missing: empty word, NaN),
            lists of words as sparse [B, *], labels and weights [B].
        custom_config: `{"data": DataConfig as JSON}`.

    Returns:
        Numbers [B] float32; ids [B] int64, or for lists [B, max_values] and for sequences
        [B, length] (0 = missing);
        position, labels and weights as they are.
    """
    config = DataConfig.model_validate_json(custom_config["data"])
    words = {
        name: _to_words(name, feature, inputs[name])
        for name, feature in config.features.items()
        if not isinstance(feature, NumberFeature)
    }
    vocabularies = {
        name: _learn_vocabulary(name, feature, words[name])
        for name, feature in config.features.items()
        if isinstance(feature, CategoricalFeature) and feature.has_vocabulary
    }
    outputs = _z_scores(config.features, inputs)
    for name, feature in config.features.items():
        if not isinstance(feature, NumberFeature):
            owner, spec = owner_of(name, config.features)
            outputs[name] = _to_ids(spec, words[name], vocabularies.get(owner))
            continue
        if feature.is_embedded:
            outputs[name] = _to_buckets(name, feature, inputs[name])
        elif not _is_z_scored(feature):
            known, reshaped = _reshape_scale(feature.transform, inputs[name])
            outputs[name] = tf.where(known, reshaped, 0.0)
        if feature.missing_indicator:
            outputs[missing_name(name)] = tf.cast(tf.math.is_nan(inputs[name]), tf.float32)
    if not config.has_position:
        outputs[POSITION] = inputs[POSITION]
    for task in config.tasks:
        for column in (label_name(task), weight_name(task)):
            outputs[column] = inputs[column]
    return outputs


def _is_z_scored(feature: Feature) -> bool:
    return isinstance(feature, NumberFeature) and feature.transform.endswith("z_score")


def _reshape_scale(transform: str, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether the number is known; and it, its log or its logit: what is standardised."""
    reshaped = number
    if transform in ("log1p", "log_z_score"):
        reshaped = tf.sign(number) * tf.math.log1p(tf.abs(number))
    if transform == "logit_z_score":
        rate = tf.clip_by_value(number, _MIN_RATE, 1.0 - _MIN_RATE)
        reshaped = tf.math.log(rate) - tf.math.log1p(-rate)
    return tf.math.is_finite(number), reshaped


def _z_scores(features: Features, inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """(x - mean) / std of each standardised number [B], cut to +-10; 0 where it is missing.

    Numbers of one kind are columns of a matrix, for an op a kind and not one a number; but
    serving knows a user's numbers and the candidates' apart from each other.
    """
    groups: dict[tuple[bool, str], list[str]] = {}
    for name, feature in features.items():
        if isinstance(feature, NumberFeature) and _is_z_scored(feature):
            groups.setdefault((feature.of == "item", feature.transform), []).append(name)
    if not groups:
        return {}
    numbers = [
        _reshape_scale(transform, tf.stack([inputs[name] for name in names], axis=1))
        for (_, transform), names in groups.items()
    ]
    moments = _moments(*(tf.concat(columns, axis=1) for columns in zip(*numbers, strict=True)))
    scores: dict[str, tf.Tensor] = {}
    for names, (known, columns) in zip(groups.values(), numbers, strict=True):
        mean, std = (moment[len(scores) : len(scores) + len(names)] for moment in moments)
        score = tf.math.divide_no_nan(columns - mean, std)
        score = tf.where(known, tf.clip_by_value(score, -_MAX_Z_SCORE, _MAX_Z_SCORE), 0.0)
        scores |= zip(names, tf.unstack(score, num=len(names), axis=1), strict=True)
    return scores


def _moments(known: tf.Tensor, columns: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and standard deviation [n] of the known values of [B, n]."""
    # A sparse matrix of the known values: a missing number must not move the mean. One
    # matrix for all columns: each analyzer of its own adds half a second to Transform.
    places = tf.where(known)  # [known, 2]
    shape = tf.stack([tf.shape(columns, tf.int64)[0], columns.shape[1]])
    values = tf.SparseTensor(places, tf.gather_nd(columns, places), shape)
    # A column that training never saw has no mean (NaN): whatever comes then scores 0.
    means = _zero_where_missing(tft.mean(values, reduce_instance_dims=False, name="means"))
    variances = _zero_where_missing(tft.var(values, reduce_instance_dims=False, name="vars"))
    return means, tf.sqrt(variances)


def _to_buckets(name: str, feature: NumberFeature, number: tf.Tensor) -> tf.Tensor:
    known = tf.math.is_finite(number)
    boundaries = tft.quantiles(
        tf.boolean_mask(number, known), feature.num_buckets, epsilon=0.01, name=name
    )
    bucket = tft.apply_buckets(_zero_where_missing(number), boundaries) + FIRST_WORD_ID
    return tf.where(known, bucket, tf.zeros([], bucket.dtype))


def _zero_where_missing(number: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_finite(number), number, 0.0)


def _to_ids(owner: CategoricalFeature, words: tf.Tensor, vocabulary: Any) -> tf.Tensor:
    """Words [B] or [B, M] -> ids of the same shape, by the owner's hash or vocabulary."""
    if owner.hash_buckets is not None:
        ids = tf.strings.to_hash_bucket_fast(words, owner.hash_buckets)
    else:
        ids = tft.apply_vocabulary(words, vocabulary, num_oov_buckets=owner.num_oov_buckets)
    return tf.where(words != "", ids + FIRST_WORD_ID, tf.zeros([], ids.dtype))


def _learn_vocabulary(name: str, feature: CategoricalFeature, words: tf.Tensor) -> Any:
    return tft.vocabulary(
        tf.boolean_mask(words, words != ""),
        top_k=feature.vocabulary_size,
        frequency_threshold=feature.min_count if feature.min_count > 1 else None,
        vocab_filename=name,
    )


def _to_words(name: str, feature: Feature, value: Any) -> tf.Tensor:
    """Words [B]; lists of words as a dense [B, M], filled up with empty words."""
    length = feature.list_length
    if length is None or not isinstance(value, tf.SparseTensor):
        return value
    dense = tf.sparse.to_dense(value, default_value="")[:, :length]
    padding = length - tf.shape(dense)[1]
    padded = tf.pad(dense, [[0, 0], [0, padding]], constant_values="")
    return tf.identity(tf.ensure_shape(padded, [None, length]), name=words_name(name))


def num_ids(feature: Feature, name: str, transform: tft.TFTransformOutput) -> int:
    """How many rows an embedding of the transformed feature needs.

    Args:
        feature: an embedded feature with words of its own, so no sequence.
        name: its name.
        transform: the analysed transform graph.
    """
    if isinstance(feature, NumberFeature):
        return feature.num_buckets + FIRST_WORD_ID
    assert isinstance(feature, CategoricalFeature)
    if feature.hash_buckets is not None:
        return feature.hash_buckets + FIRST_WORD_ID
    words: int = transform.vocabulary_size_by_name(name)
    return words + feature.num_oov_buckets + FIRST_WORD_ID
