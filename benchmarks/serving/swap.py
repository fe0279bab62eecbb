"""New versions while requests come in: what fails, and how much longer requests take.

    make bench NAME=serving.swap [ARGS="--swaps 10 --seconds 20"]

Clients rank without a pause. First the served version stays, then newer ones are pushed, one
after another, as a run of the pipeline pushes them. At last each is rolled back.
"""

import argparse
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import grpc
import numpy as np
from rich.progress import track
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.harness.publish import how_made, publish
from benchmarks.serving.messages import make_predict
from benchmarks.serving.models import make_models
from benchmarks.serving.requests import make_request
from benchmarks.serving.server_process import Server, serving
from pipeline.served.rollback import roll_back
from pipeline.served.versions import push_version

_CANDIDATES = 100
_PATIENCE_SECONDS = 120.0


class Answer(NamedTuple):
    """One request's end.

    Attributes:
        seconds: that it took.
        code: of gRPC.
        version: of the model that answered; 0 if none did.
    """

    seconds: float
    code: str
    version: int


class Load:
    """Clients that ask one after another, until they are stopped.

    Args:
        server: that they ask.
        request: what they ask.
    """

    def __init__(self, server: Server, request: predict_pb2.PredictRequest) -> None:
        self._server, self._request = server, request
        self._stopped = threading.Event()
        self.answers: list[Answer] = []

    @contextmanager
    def running(self, clients: int) -> Iterator[None]:
        """Asks while the block runs."""
        threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def take(self) -> list[Answer]:
        """The answers since the last time."""
        taken, self.answers = self.answers, []
        return taken

    def wait_for(self, version: int) -> None:
        """Until an answer comes from this version.

        Raises:
            TimeoutError: if none does.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            if any(answer.version == version for answer in self.answers[-10:]):
                return
            time.sleep(0.05)
        raise TimeoutError(f"version {version} does not answer")

    def _ask(self) -> None:
        channel = grpc.insecure_channel(
            f"127.0.0.1:{self._server.grpc_port}",
            options=[("grpc.use_local_subchannel_pool", 1)],
        )
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        while not self._stopped.is_set():
            began, code, version = time.perf_counter(), "OK", 0
            try:
                version = stub.Predict(self._request, timeout=30).model_spec.version.value
            except grpc.RpcError as error:
                code = error.code().name
            self.answers.append(Answer(time.perf_counter() - began, code, version))


def describe(answers: Sequence[Answer]) -> dict[str, Any]:
    """How long they took, what failed, which versions answered."""
    seconds = [1e3 * answer.seconds for answer in answers]
    codes = Counter(answer.code for answer in answers)
    return {
        "requests": len(answers),
        "failed": len(answers) - codes["OK"],
        "codes": dict(codes),
        "p50_ms": float(np.percentile(seconds, 50)),
        "p99_ms": float(np.percentile(seconds, 99)),
        "max_ms": max(seconds),
        "versions": sorted({answer.version for answer in answers} - {0}),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Steady, then with swaps, then with rollbacks."""
    models = make_models()
    request = make_request(models.ranker.config.features, models.examples, _CANDIDATES)
    with TemporaryDirectory() as folder:
        served = Path(folder, "ranker")
        push_version(models.pruned / "1", served)
        with serving(served) as server:
            load = Load(server, make_predict("rank", request.columns()))
            with load.running(options.clients):
                time.sleep(options.seconds / 4)
                load.take()
                time.sleep(options.seconds)
                steady = describe(load.take())
                for _ in track(range(options.swaps), "swap"):
                    version = push_version(models.pruned / "1", served)
                    load.wait_for(int(version.name))
                    time.sleep(options.seconds / 8)
                swapping = describe(load.take())
                delays = []
                for _ in track(range(options.swaps), "rollback"):
                    began = time.monotonic()
                    load.wait_for(roll_back(served).version)
                    delays.append(time.monotonic() - began)
                    time.sleep(options.seconds / 8)
                turning_back = describe(load.take())
            shutil.rmtree(served)
    turning_back["seconds_until_served"] = float(np.median(delays))
    return {"steady": steady, "swapping": swapping, "turning_back": turning_back}


def format_table(results: Mapping[str, Any]) -> str:
    """The table and how it was made."""
    steady, swapping = results["steady"], results["swapping"]
    back = results["turning_back"]
    lines = [
        "# New versions under load",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. {results['clients']} "
        f"clients rank {_CANDIDATES} candidates without a pause; {results['swaps']} versions, and "
        "as many rollbacks.",
        "",
        "| | requests | failed | p50 ms | p99 ms | longest ms | versions |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in (("steady", steady), ("new versions", swapping), ("rollbacks", back)):
        lines.append(
            f"| {name} | {row['requests']:,} | {row['failed']} | {row['p50_ms']:.1f} | "
            f"{row['p99_ms']:.1f} | {row['max_ms']:.1f} | {row['versions'][0]} to "
            f"{row['versions'][-1]} |"
        )
    ratios = [row["p99_ms"] / steady["p99_ms"] for row in (swapping, back)]
    lines += [
        "",
        f"p99 with new versions is {ratios[0]:.2f} of the steady one, with rollbacks "
        f"{ratios[1]:.2f}. A rollback answers {back['seconds_until_served']:.1f} s after the "
        "command (median).",
    ]
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=serving.swap", description="New versions under load."
    )
    parser.add_argument("--swaps", type=int, default=8, help="versions to push")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the steady phase")
    parser.add_argument("--clients", type=int, default=2, help="that ask at once")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes serving_swap.json and serving_swap.md."""
    options = parse()
    results = {
        **how_made("bench", "serving.swap", "tensorflow", "grpcio"),
        "clients": options.clients,
        "swaps": options.swaps,
        **measure(options),
    }
    publish(options.out, "serving_swap", results, format_table(results))


if __name__ == "__main__":
    main()
