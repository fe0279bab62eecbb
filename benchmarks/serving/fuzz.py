"""A server among broken requests: whether it stays up, fair, and of the same size.

    make bench NAME=serving.fuzz [ARGS="--requests 100000 --seed 1"]

Broken bodies, broken HTTP and broken protos come over REST and gRPC; between them a request
that is right must have the right answer. Exit code 1 if anything went wrong.
"""

import argparse
import http.client
import random
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from rich.progress import track

from benchmarks.harness.publish import how_made, publish
from benchmarks.serving.hostile import make_documents, make_http, make_messages, mutate
from benchmarks.serving.messages import to_json
from benchmarks.serving.models import make_models
from benchmarks.serving.requests import Request, make_request
from benchmarks.serving.server_process import Server, serving
from serving.client import Ranker

_CHECK_EVERY = 500
# Its pools and caches have their size after so many.
_SETTLED = 0.2
_METHODS = ("Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata")
# A server that says so has a fault of its own.
_FAULTS = {"500", "INTERNAL", "UNKNOWN", "no answer", "DATA_LOSS"}


class Attacker:
    """Sends one broken request after another.

    Args:
        server: that gets them.
        request: a right one, to begin from.
        seed: of what is broken.
    """

    def __init__(self, server: Server, request: Request, seed: int) -> None:
        self._server, self._rng = server, random.Random(seed)
        self._bodies = make_documents(to_json(request.columns()))
        self._messages = make_messages(request.columns(), request.examples())
        self._channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        self.answers: Counter[str] = Counter()

    def send(self) -> None:
        """One request, in one of the ways."""
        way = self._rng.choice(
            (self._send_body, self._send_body, self._send_http, self._send_proto)
        )
        self.answers[way()] += 1

    def _send_body(self) -> str:
        """Right HTTP around a broken body."""
        path = "/v1/models/ranker:" + self._rng.choice(("predict", "classify", "regress"))
        body = mutate(self._rng, self._rng.choice(self._bodies))
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        try:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            answer.read()
            return str(answer.status)
        except (http.client.HTTPException, OSError):
            return "no answer"
        finally:
            connection.close()

    def _send_http(self) -> str:
        """Bytes that may be no HTTP; half of the time the client goes in the middle."""
        data = make_http(self._rng, self._bodies)
        with socket.create_connection(("127.0.0.1", self._server.port), timeout=30) as connection:
            try:
                connection.sendall(data[: self._rng.randint(0, len(data))])
                if self._rng.random() < 0.5:
                    return "gone"
                connection.shutdown(socket.SHUT_WR)
                head = connection.recv(64)
            except OSError:
                return "closed"
        return head[9:12].decode("latin-1") if head.startswith(b"HTTP/1.1 ") else "closed"

    def _send_proto(self) -> str:
        """Bytes that may be no message."""
        data = mutate(self._rng, self._rng.choice(self._messages))
        method = f"/tensorflow.serving.PredictionService/{self._rng.choice(_METHODS)}"
        call = self._channel.unary_unary(method)
        try:
            call(data, timeout=30)
        except grpc.RpcError as error:
            code = str(error.code().name)
            # Without a word: so gRPC itself refuses what is no message of the method.
            return "no message" if code == "INTERNAL" and not error.details() else code
        return "OK"


def attack(options: argparse.Namespace) -> dict[str, Any]:
    """All requests: the answers, the memory, how often a right request was answered rightly."""
    models = make_models()
    request = make_request(models.ranker.config.features, models.examples, 10)
    sizes, wrong = [], 0
    with serving(models.pruned) as server, Ranker(f"http://127.0.0.1:{server.port}") as ranker:
        attacker = Attacker(server, request, options.seed)
        expected = ranker.rank(request.user, request.candidates).scores
        for number in track(range(options.requests), "attack"):
            attacker.send()
            if number % _CHECK_EVERY == 0:
                found = ranker.rank(request.user, request.candidates).scores
                wrong += not (found == expected).all()
                sizes.append(server.resident_mb())
    settled = sizes[int(_SETTLED * len(sizes))]
    return {
        "answers": dict(attacker.answers.most_common()),
        "wrong": wrong,
        "checks": len(sizes),
        "settled_mb": settled,
        "last_mb": sizes[-1],
        "faults": sum(n for answer, n in attacker.answers.items() if answer in _FAULTS),
    }


def format_table(results: Mapping[str, Any]) -> str:
    """The table and how it was made."""
    answers = results["answers"]
    lines = [
        "# Hostile requests",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. "
        f"{results['requests']:,} requests, seed {results['seed']}.",
        "",
        f"| {' | '.join(answers)} |",
        "|---" * len(answers) + "|",
        f"| {' | '.join(f'{n:,}' for n in answers.values())} |",
        "",
        f"Faults of the server: {results['faults']}. A right request in between: "
        f"{results['checks']} times, {results['wrong']} wrong answers. Memory: "
        f"{results['settled_mb']:.0f} MB after a fifth, {results['last_mb']:.0f} MB at the end.",
    ]
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=serving.fuzz", description="Hostile requests."
    )
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="of what is broken")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    return parser.parse_args()


def main() -> None:
    """Attacks, prints the table and writes serving_fuzz.json and serving_fuzz.md."""
    options = parse()
    results = {
        **how_made("bench", "serving.fuzz", "uvicorn", "grpcio"),
        "requests": options.requests,
        "seed": options.seed,
        **attack(options),
    }
    publish(options.out, "serving_fuzz", results, format_table(results))
    sys.exit(bool(results["faults"] or results["wrong"]))


if __name__ == "__main__":
    main()
