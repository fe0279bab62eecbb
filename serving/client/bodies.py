"""Request and answer bodies: JSON with NaN and Infinity as bare words."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson


def dump_columns(signature: str, columns: Mapping[str, Any]) -> bytes:
    """The body of a predict request by columns.

    Args:
        signature: the name of the signature.
        columns: input -> nested lists or an array.

    Example:
        >>> dump_columns("rank", {"price": [1.0, float("nan")], "brand": ["a", "b"]})
        b'{"signature_name":"rank","inputs":{"price":[1.0, NaN],"brand":["a","b"]}}'
    """
    inputs = {name: _dump_column(values) for name, values in columns.items()}
    return orjson.dumps({"signature_name": signature, "inputs": inputs})


def dump_rows(signature: str, rows: Any) -> bytes:
    """The body of a predict request by rows."""
    return json.dumps({"signature_name": signature, "instances": rows}, default=_to_list).encode()


def load(body: bytes) -> Any:
    """Parses an answer.

    Raises:
        ValueError: if it is no JSON.

    Example:
        >>> load(b'{"outputs": [1.5, NaN]}')
        {'outputs': [1.5, nan]}
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)  # knows NaN and Infinity


def _dump_column(values: Any) -> Any:
    """The column for orjson, which by itself would write NaN as null."""
    plain = _to_list(values)
    text = orjson.dumps(plain)
    if b"null" not in text:
        return orjson.Fragment(text)
    return orjson.Fragment(json.dumps(plain, ensure_ascii=False).encode())


def _to_list(values: Any) -> Any:
    return values.tolist() if isinstance(values, np.ndarray | np.generic) else values
