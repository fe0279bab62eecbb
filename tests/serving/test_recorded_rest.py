"""The REST API answers what the real TensorFlow Serving answered."""

import http.client
import json
import math
from typing import Any

import pytest
from recorded import recorded_cases


@pytest.mark.parametrize("case", recorded_cases("rest_cases.json"))
def test_rest_answers_what_tensorflow_serving_answered(
    case: dict[str, Any], recorded_server: Any
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", recorded_server.port, timeout=30)
    body = case["body"].encode("utf-8", "surrogateescape") or None
    connection.request(case["method"], case["path"], body, case["headers"] or {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    expected = case["actual"]
    assert (response.status, response.getheader("content-type")) == (
        expected["status"],
        expected["content_type"],
    ), text
    assert parse(text, expected["content_type"]) == parse(
        expected["body"].encode(), expected["content_type"]
    )


def parse(body: bytes, content_type: str) -> Any:
    """The document, types and NaN included, so that 1 is not 1.0 and NaN equals itself."""
    if not body or not content_type.startswith("application/json"):
        return body
    return typed(json.loads(body))


def typed(value: Any) -> Any:
    match value:
        case dict():
            return {name: typed(member) for name, member in value.items()}
        case list():
            return [typed(member) for member in value]
        case float() if math.isnan(value):
            return "NaN"
    return type(value).__name__, value
