"""One user with candidates, in the forms in which they can be asked about."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from transforms.features import Feature, Features, NumberFeature

Columns = dict[str, np.ndarray]
Fields = dict[str, Any]


class Request(NamedTuple):
    """What a service knows when it ranks.

    Attributes:
        features: of the model.
        user: the user's and the request's fields.
        candidates: the items' fields, and `item_id`.
    """

    features: Features
    user: Fields
    candidates: list[Fields]

    def columns(self) -> Columns:
        """The inputs of `rank`: the user's features [1], the items' [N]."""
        return {
            name: _to_column(
                feature,
                [
                    row.get(name)
                    for row in (self.candidates if feature.of == "item" else [self.user])
                ],
            )
            for name, feature in self.features.items()
        }

    def examples(self) -> Columns:
        """The input of `serving_default`: N tf.Examples, each with the user's features too."""
        user = _to_features(self.features, self.user)
        rows = [{**user, **_to_features(self.features, item)} for item in self.candidates]
        return {"examples": np.array([_serialize(row) for row in rows], object)}


def make_request(features: Features, examples: Sequence[bytes], size: int) -> Request:
    """A request of logged impressions.

    Args:
        features: of the model.
        examples: serialized tf.Examples; the first one's user asks.
        size: N; items come again if there are fewer.
    """
    rows = [tf.train.Example.FromString(examples[i % len(examples)]) for i in range(size)]
    user = {n: _read(f, rows[0].features.feature[n]) for n, f in features.items() if f.of != "item"}
    items = [
        {n: _read(f, row.features.feature[n]) for n, f in features.items() if f.of == "item"}
        for row in rows
    ]
    return Request(features, user, [{"item_id": str(i), **item} for i, item in enumerate(items)])


def _read(feature: Feature, values: tf.train.Feature) -> Any:
    if isinstance(feature, NumberFeature):
        return next(iter(values.float_list.value), None)
    words = [word.decode() for word in values.bytes_list.value]
    return words if feature.list_length else next(iter(words), None)


def _to_column(feature: Feature, values: Sequence[Any]) -> np.ndarray:
    if isinstance(feature, NumberFeature):
        return np.array([np.nan if v is None else v for v in values], np.float32)
    width = feature.list_length
    if width is None:
        return np.array([(v or "").encode() for v in values], object)
    padded = [(v + [""] * width)[:width] for v in values]
    return np.array([[word.encode() for word in v] for v in padded], object)


def _to_features(features: Features, fields: Fields) -> dict[str, tf.train.Feature]:
    made = {}
    for name, value in fields.items():
        if value is None or name not in features:
            continue
        if isinstance(features[name], NumberFeature):
            made[name] = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
            continue
        words = [word.encode() for word in (value if isinstance(value, list) else [value])]
        made[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=words))
    return made


def _serialize(features: dict[str, tf.train.Feature]) -> bytes:
    made: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return made
