"""The stages of a ranking request, in TensorFlow's runtime and in our server."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from benchmarks.harness.latency import time_calls, typical
from benchmarks.serving.requests import Columns
from benchmarks.serving.server_process import serving
from benchmarks.serving.ways import ask_rpc
from serving.server.inference.predict import Model
from serving.server.models.saved_model import SavedModel
from serving.server.rpc.answers import answer_predict
from serving.server.signatures import Array

_GRAPH = ("parse", "transform", "inputs", "experts", "towers", "score")


class Answered:
    """A loaded model that has its answers ready: what is left is reading and writing.

    Args:
        model: to ask once.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name, self.version, self.signatures = model.name, model.version, model.signatures
        self.signature_bytes = model.signature_bytes
        self._answers: dict[tuple[str, ...], list[Array]] = {}

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        """The first answer again."""
        key = tuple(fetches)
        if key not in self._answers:
            self._answers[key] = self._model.run(feeds, fetches)
        return self._answers[key]


def trace_stages(folder: Path, signature: str, inputs: Columns, rounds: int) -> dict[str, float]:
    """Stage -> seconds that its operations take in a call, and `runtime` around them.

    Args:
        folder: of the SavedModel.
        signature: its name.
        inputs: input -> array.
        rounds: of traces; then medians are taken.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(folder))
        definition = meta.signature_def[signature]
        feeds = {definition.inputs[name].name: values for name, values in inputs.items()}
        fetches = [output.name for output in definition.outputs.values()]
        call = session.make_callable(fetches, list(feeds))
        values = list(feeds.values())
        whole = typical(time_calls({"": lambda: call(*values)}, 5, rounds / 1000)[""]).p50
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
        traces = []
        for _ in range(rounds):
            metadata = tf.compat.v1.RunMetadata()
            session.run(fetches, feeds, options=options, run_metadata=metadata)
            traces.append(_sum_stages(metadata))
    stages = {name: float(np.median([trace[name] for trace in traces])) for name in _GRAPH}
    return {**stages, "runtime": max(whole - sum(stages.values()), 0.0)}


def _sum_stages(metadata: Any) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for device in metadata.step_stats.dev_stats:
        for node in device.node_stats:
            microseconds = node.op_end_rel_micros - node.op_start_rel_micros
            found[_stage_of(node.node_name)] += microseconds / 1e6
    return found


def _stage_of(node: str) -> str:
    """The scope that an operation is in: `transform_1` is one of `transform`."""
    for part in node.split("/"):
        stage = part.rstrip("0123456789").rstrip("_")
        if stage in _GRAPH:
            return stage
    return "other"


def time_server(folder: Path, message: predict_pb2.PredictRequest, rounds: int) -> dict[str, float]:
    """Seconds of our server's own work on a request.

    Args:
        folder: of the model's versions, of which there is the first.
        message: the request.
        rounds: of five timings, in thousandths of five seconds.

    Returns:
        `messages`: reading the request and writing the answer. `answer`: these and the model.
        `whole`: the call by gRPC.
    """
    model, body = SavedModel("ranker", 1, folder / "1"), message.SerializeToString()

    def answer(model: Model) -> bytes:
        request = predict_pb2.PredictRequest.FromString(body)
        answered: bytes = answer_predict(model, request).SerializeToString()
        return answered

    with serving(folder) as server:
        calls: dict[str, Callable[[], object]] = {
            "messages": partial(answer, Answered(model)),
            "answer": partial(answer, model),
            "whole": partial(ask_rpc(server), message),
        }
        found = time_calls(calls, 5, rounds / 200)
    model.close()
    return {name: typical(latencies).p50 for name, latencies in found.items()}
