"""A ranking as rows of the canonical impressions table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from serving.server.signatures import Array
from transforms.examples import IDS, POSITION, SCORE, TIMESTAMP, prediction_name

MODEL_VERSION = "model_version"


@dataclass(frozen=True, slots=True)
class Ranking:
    """A request that was answered.

    Attributes:
        model: its name.
        version: of the model.
        milliseconds: since 1970, when it was answered.
        ids: `request_id` [1], `user_id` [1] and `item_id` [N].
        inputs: of the signature: the user's and the request's [1], the items' [N].
        outputs: predictions and the score, [N].
    """

    model: str
    version: int
    milliseconds: int
    ids: Mapping[str, Array]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


def to_table(ranking: Ranking, top: int | None = None) -> pa.Table:
    """One row a candidate, best first; `position` is its rank.

    Args:
        ranking: the request with its answer.
        top: so many rows at most.

    Returns:
        The keys, `position`, `model_version`, the features as the model got them, and
        `prediction_<task>` and `score`. A missing number is null, a list has no empty words.

    Example:
        >>> ids = {n: np.array([b"a", b"b"][: 1 + (n == "item_id")], object) for n in IDS}
        >>> score = np.array([0.1, 0.9], np.float32)
        >>> table = to_table(Ranking("ranker", 3, 0, ids, {}, {"score": score}))
        >>> table["item_id"].to_pylist(), table["position"].to_pylist()
        (['b', 'a'], [1, 2])
    """
    scores = ranking.outputs[SCORE]
    # NaN comes last, as in the client; equal scores keep the order of the request.
    order = np.argsort(-scores, kind="stable")[:top]
    size = len(order)
    columns = {
        **{name: _words(_spread(ranking.ids[name], order)) for name in IDS},
        TIMESTAMP: pa.array(np.full(size, ranking.milliseconds), pa.timestamp("ms")),
        POSITION: pa.array(np.arange(1, size + 1)),
        MODEL_VERSION: pa.array(np.full(size, ranking.version)),
    }
    for name, values in ranking.inputs.items():
        columns[name] = _column(_spread(values, order))
    for name, values in ranking.outputs.items():
        columns[name if name == SCORE else prediction_name(name)] = pa.array(values[order])
    return pa.table(columns)


def _spread(values: Array, order: Array) -> Array:
    """Of the candidates in this order; what is the user's is every candidate's."""
    return values[order] if len(values) != 1 else np.repeat(values, len(order), axis=0)


def _column(values: Array) -> pa.Array:
    if values.dtype != object:
        return pa.array(values, from_pandas=True)
    if values.ndim == 1:
        return _words(values)
    lengths = (values != b"").sum(axis=1)
    words = _words(values.reshape(-1)[(values != b"").reshape(-1)])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words)


def _words(values: Array) -> pa.Array:
    """Text; bytes that are no UTF-8 become a sign for that, for ingestion reads text only."""
    texts = [word.decode("utf-8", "replace") if word else None for word in values.tolist()]
    return pa.array(texts, pa.string())
