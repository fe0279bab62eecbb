"""Requests that nobody should send: broken, enormous, contradictory, half."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2

from benchmarks.serving.messages import make_predict
from benchmarks.serving.requests import Columns

Mutate = Callable[[random.Random, bytes], bytes]

_ODD = (b"\x00", b"\xff\xfe", b"{", b"[" * 50, b'"', b"NaN", b"-Infinity", b"1e999", b"\\ud800")
_PATHS = (
    "/v1/models/ranker",
    "/v1/models/ranker/metadata",
    "/v1/models/ranker:predict",
    "/v1/models/ranker:classify",
    "/v1/models/ranker:regress",
    "/v1/models/ranker/versions/1:predict",
    "/v1/models/ranker/labels/none:predict",
    "/v1/models/ranker/versions/99999999999999999999:predict",
    "/v1/models/..%2f..%2fetc%2fpasswd",
    "/v1/models/%00:predict",
    "/v1/models/../../../etc/passwd:predict",
    "/v1/models//:predict",
    "/monitoring/prometheus/metrics",
    "//",
    "*",
)
_METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "\x01")
_HEADERS = (
    "Content-Length: 7",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "Content-Encoding: gzip",
    "Expect: 100-continue",
    "Connection: close",
    "Host: a\r\nHost: b",
    "X: " + "y" * 20_000,
    "Upgrade: websocket\r\nConnection: Upgrade",
    "",
)


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Breaks a body at one to four places."""
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(_MUTATIONS)(rng, data)
    return data[: 1 << 20]


def _flip(rng: random.Random, data: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(_ODD) + data[at:]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    first, last = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:last] + data[first:last] * rng.randint(1, 30) + data[last:]


def _drop(rng: random.Random, data: bytes) -> bytes:
    first, last = sorted(rng.randint(0, len(data)) for _ in range(2))
    return data[:first] + data[last:]


_MUTATIONS: Sequence[Mutate] = (_flip, _cut, _insert, _repeat, _drop)


def make_documents(inputs: dict[str, Any]) -> list[bytes]:
    """Bodies of the REST API, right and wrong ones, for mutations to begin from.

    Args:
        inputs: of the signature `rank`.
    """
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    documents: list[Any] = [
        {"signature_name": "rank", "inputs": inputs},
        {"instances": [{"b64": "AAAA"}]},
        {"signature_name": "rank", "inputs": {**inputs, "unknown": [1]}},
        {"signature_name": "rank", "inputs": {name: [] for name in inputs}},
        {"signature_name": "rank", "inputs": {name: [[[1e308]]] for name in inputs}},
        {"signature_name": "rank", "inputs": dict.fromkeys(inputs, deep)},
        {"signature_name": 7, "inputs": None},
        {"examples": [{"x": 1}], "context": {"y": ["z"]}, "signature_name": "classify_click"},
        {"instances": []},
        [],
        None,
        {"inputs": inputs, "instances": [1]},
    ]
    return [json.dumps(document).encode() for document in documents]


def make_messages(columns: Columns, examples: Columns) -> list[bytes]:
    """Messages of the gRPC API, for mutations to begin from.

    Args:
        columns: the inputs of `rank`.
        examples: the input of `serving_default`.
    """
    predict = make_predict("rank", columns)
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name, classify.model_spec.signature_name = "ranker", "classify_click"
    for example in examples["examples"]:
        classify.input.example_list.examples.add().ParseFromString(example)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "ranker"
    return [message.SerializeToString() for message in (predict, classify, metadata)]


def make_http(rng: random.Random, bodies: Sequence[bytes]) -> bytes:
    """The bytes of an HTTP request; some are none."""
    body = rng.choice(bodies)
    if rng.random() < 0.8:
        body = mutate(rng, body)
    head = f"{rng.choice(_METHODS)} {rng.choice(_PATHS)} HTTP/1.1\r\nHost: x\r\n"
    header = rng.choice(_HEADERS)
    lines = [head.rstrip("\r\n"), *([header] if header else [])]
    if "Length" not in header and "chunked" not in header:
        lines.append(f"Content-Length: {len(body)}")
    request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
    return mutate(rng, request) if rng.random() < 0.2 else request
