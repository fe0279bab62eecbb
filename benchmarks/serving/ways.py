"""The ways to rank one user's candidates, each as a call that gives their scores."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.harness.latency import Call
from benchmarks.serving.compute import make_bare, make_pruned
from benchmarks.serving.messages import make_predict, to_json
from benchmarks.serving.models import ServedModels
from benchmarks.serving.requests import Columns, Request
from benchmarks.serving.server_process import Server
from serving.client import Ranker

USUAL, RANK = "usual", "rank"
GRPC_USUAL, GRPC, REST = "usual, gRPC", "rank, gRPC", "rank, REST"
WHOLE_USUAL, WHOLE = "usual, whole request", "rank, whole request"
PRUNED, BARE = "pruned graph", "bare products"
AGAINST = {
    RANK: USUAL,
    GRPC_USUAL: USUAL,
    GRPC: RANK,
    REST: RANK,
    WHOLE: WHOLE_USUAL,
    PRUNED: BARE,
}
"""Way -> the one that it is compared with."""

Scores = Callable[[], Any]


def make_calls(
    models: ServedModels, servers: Mapping[str, Server], request: Request
) -> dict[str, Call]:
    """Name -> the request, answered.

    Raises:
        AssertionError: if they do not give the same scores.
    """
    columns, examples = request.columns(), request.examples()
    ask_usual, ask_rank = ask_rpc(servers["full"]), ask_rpc(servers["pruned"])
    calls: dict[str, Scores] = {
        USUAL: _run(models.full / "1", "serving_default", examples),
        RANK: _run(models.pruned / "1", "rank", columns),
        GRPC_USUAL: partial(ask_usual, make_predict("serving_default", examples)),
        GRPC: partial(ask_rank, make_predict("rank", columns)),
        REST: _ask_rest(servers["pruned"], columns),
        WHOLE_USUAL: lambda: ask_usual(make_predict("serving_default", request.examples())),
        WHOLE: _ask_client(servers["pruned"], request),
    }
    expected = calls[USUAL]()
    for name, call in calls.items():
        np.testing.assert_allclose(call(), expected, atol=1e-4, err_msg=name)
    size = len(request.candidates)
    compute = {PRUNED: make_pruned(models.ranker, size), BARE: make_bare(models.ranker, size)}
    return {**calls, **compute}


def _run(folder: Path, signature: str, inputs: Columns) -> Scores:
    """The SavedModel in TensorFlow's own runtime, from tensors to arrays."""
    model = tf.saved_model.load(str(folder))
    tensors = {name: tf.constant(values) for name, values in inputs.items()}

    def call(owner: Any = model) -> Any:
        outputs = owner.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}["score"]

    return call


def ask_rpc(server: Server) -> Callable[[predict_pb2.PredictRequest], np.ndarray]:
    """gRPC without a client of ours."""
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def ask(request: predict_pb2.PredictRequest) -> np.ndarray:
        return np.array(stub.Predict(request).outputs["score"].float_val, np.float32)

    return ask


def _ask_rest(server: Server, columns: Columns) -> Scores:
    # NaN becomes a word.
    body = json.dumps({"signature_name": "rank", "inputs": to_json(columns)}).encode()
    client = httpx.Client()
    url = f"http://127.0.0.1:{server.port}/v1/models/ranker:predict"

    def call() -> Any:
        outputs = orjson.loads(client.post(url, content=body).content)["outputs"]
        return np.array(outputs["score"], np.float32)

    return call


def _ask_client(server: Server, request: Request) -> Scores:
    """Our client, from the service's own fields to the ranked candidates."""
    ranker = Ranker(f"grpc://127.0.0.1:{server.grpc_port}")

    def call() -> Any:
        ranked = ranker.rank(request.user, request.candidates)
        scores = np.empty(len(ranked), np.float32)
        scores[np.array(ranked.item_ids, int)] = ranked.scores
        return scores

    return call
