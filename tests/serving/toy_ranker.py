"""A small model with the signatures of a ranker, and ways to write its versions."""

from pathlib import Path

import tensorflow as tf


class ToyRanker(tf.Module):
    """score = weight * price + age + number of words; click is the score's sigmoid."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = tf.Variable(weight)

    @tf.function(
        input_signature=[
            {
                "age": tf.TensorSpec([1], tf.float32, name="age"),
                "interests": tf.TensorSpec([1, 3], tf.string, name="interests"),
                "brand": tf.TensorSpec([None], tf.string, name="brand"),
                "price": tf.TensorSpec([None], tf.float32, name="price"),
                "words": tf.TensorSpec([None, 2], tf.string, name="words"),
            }
        ]
    )
    def rank(self, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        price = tf.where(tf.math.is_nan(columns["price"]), 0.0, columns["price"])
        given = tf.reduce_sum(tf.cast(columns["words"] != "", tf.float32), axis=1)
        liked = tf.reduce_sum(
            tf.cast(columns["interests"] == columns["brand"][:, None], tf.float32), 1
        )
        score = self.weight * price + columns["age"] + given + 100.0 * liked
        return {"score": score, "click": tf.sigmoid(score)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def times(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": self.weight * x}


def write_version(base: Path, version: int, weight: float) -> Path:
    """Writes a version at once: a server that watches `base` never sees a part of it."""
    hidden = base.parent / f".{base.name}-{version}"
    ranker = ToyRanker(weight)
    signatures = {
        "rank": ranker.rank.get_concrete_function(),
        "serving_default": ranker.times.get_concrete_function(),
    }
    tf.saved_model.save(ranker, str(hidden), signatures=signatures)
    base.mkdir(exist_ok=True)
    return hidden.replace(base / str(version))
