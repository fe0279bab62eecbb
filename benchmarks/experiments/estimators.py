"""Bias and variance of a gradient against capacity, and what they do to training.

    make experiment NAME=estimators [ARGS="--quick --out FOLDER"]

The toy: y is a piecewise linear function of x in [-1, 1], each of n experts is a line, the gate a
linear softmax; f is the squared error of one expert. The gradient of the mean over the
batch of E_{z ~ p} f_i(z) is known exactly by summing over all experts (enumeration). Each
router estimates it under a capacity: |mean - truth| / |truth| is its bias, the root of the
summed variances / |truth| its standard deviation. Then each router trains the toy
from the same starts, many seeds as one batched model, at each learning rate; the better one
counts.
"""

import argparse
import itertools
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.experiments.estimators_report import draw_figure, write_table
from benchmarks.experiments.estimators_toy import Model, forward, gradient_terms, start
from trainer.estimators.biased import log_top_k
from trainer.estimators.capacity import FloatArray, log_softmax
from trainer.estimators.registry import ROUTERS, estimate


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment; `factors` are n c / B."""

    batch_size: int = 64
    num_experts: int = 4
    factors: tuple[float, ...] = (1.0, 1.25, 1.5, 2.0, 4.0)
    samples: int = 20_000
    seeds: int = 20
    steps: int = 1000
    learning_rates: tuple[float, ...] = (0.3, 1.0)
    top_k: int = 2

    def capacity(self, factor: float) -> int:
        """c, rounded up."""
        return int(np.ceil(factor * self.batch_size / self.num_experts))


QUICK = Settings(factors=(1.0, 1.5, 4.0), samples=2000, seeds=8, steps=200)


def log_gate(name: str, logits: FloatArray, settings: Settings) -> FloatArray:
    """The log weights that the router's gate has without a capacity, [..., B, n]."""
    return log_top_k(logits, settings.top_k) if name == "top_k_dropped" else log_softmax(logits)


def measure(name: str, factor: float, settings: Settings) -> dict[str, float | str | int]:
    """Bias and standard deviation of one router at one capacity."""
    data_rng = np.random.default_rng(0)
    model = start(1, settings.num_experts, data_rng)
    x = data_rng.uniform(-1, 1, (1, settings.batch_size))
    logits, residuals = (values[0] for values in forward(model, x))  # [B, n]
    log_probs = log_softmax(logits)
    truth = estimate(np.exp(log_probs), gradient_terms(x[0], residuals, log_probs))  # [4n]
    terms = gradient_terms(x[0], residuals, log_gate(name, logits, settings))
    rng = np.random.default_rng(1)
    capacity = settings.capacity(factor)
    samples, computed = [], 0.0
    for size in chunks(settings.samples):
        weights = ROUTERS[name](np.broadcast_to(logits, (size, *logits.shape)), capacity, rng)
        samples.append(estimate(weights, terms))
        computed += float(np.count_nonzero((weights > 0).any(axis=-1)))
    estimates = np.concatenate(samples)  # [samples, 4n]
    norm = float(np.linalg.norm(truth))
    deviation = float(np.sqrt(estimates.var(axis=0).sum())) / norm
    return {
        "router": name,
        "factor": factor,
        "capacity": capacity,
        "bias": float(np.linalg.norm(estimates.mean(axis=0) - truth)) / norm,
        "bias_of_an_unbiased_one": deviation / float(np.sqrt(settings.samples)),
        "deviation": deviation,
        "computed": computed / (settings.samples * settings.batch_size),
    }


def chunks(total: int, size: int = 2000) -> Iterator[int]:
    """Sizes that add up to `total`."""
    yield from (min(size, total - start) for start in range(0, total, size))


def train(
    name: str, factor: float, learning_rate: float, settings: Settings
) -> dict[str, float | str | int]:
    """SGD from the same starts on the same batches; the loss is that of the likeliest expert.

    That is what a server computes that asks one expert an example. It has no capacity.
    """
    rng, route_rng = np.random.default_rng(2), np.random.default_rng(3)
    model = start(settings.seeds, settings.num_experts, rng)
    for step in range(settings.steps):
        x = rng.uniform(-1, 1, (settings.seeds, settings.batch_size))
        logits, residuals = forward(model, x)
        weights = ROUTERS[name](logits, settings.capacity(factor), route_rng)
        terms = gradient_terms(x, residuals, log_gate(name, logits, settings))
        rate = learning_rate * (1.0 - step / settings.steps)
        change = rate * estimate(weights, terms).reshape(-1, 2, settings.num_experts, 2)
        model = Model(model.gate - change[:, 0], model.experts - change[:, 1])
    logits, residuals = forward(model, np.linspace(-1, 1, 1001))
    best = np.argmax(logits, axis=-1)[..., np.newaxis]
    losses = np.mean(np.take_along_axis(residuals, best, axis=-1) ** 2, axis=(-2, -1))  # [seeds]
    return {
        "router": name,
        "factor": factor,
        "capacity": settings.capacity(factor),
        "learning_rate": learning_rate,
        "loss": float(losses.mean()),
        "standard_error": float(losses.std(ddof=1) / np.sqrt(settings.seeds)),
    }


def run(settings: Settings) -> dict[str, Any]:
    """Every cell of both parts, with progress."""
    cells = [(name, factor) for factor in settings.factors for name in ROUTERS]
    trials = list(itertools.product(cells, settings.learning_rates))
    began = time.monotonic()
    with Progress() as progress:
        measuring = progress.add_task("bias and variance", total=len(cells))
        training = progress.add_task("training", total=len(trials))
        results: dict[str, Any] = {"moments": [], "training": []}
        for name, factor in cells:
            results["moments"].append(measure(name, factor, settings))
            progress.advance(measuring)
        for (name, factor), learning_rate in trials:
            results["training"].append(train(name, factor, learning_rate, settings))
            progress.advance(training)
    return {"seconds": round(time.monotonic() - began), **results}


def machine() -> str:
    """Processor, cores, Python and NumPy."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    return f"{processor}, {os.cpu_count()} cores, {versions}"


def command() -> str:
    """The command that runs this again."""
    arguments = f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""
    return f"make experiment NAME=estimators{arguments}"


def main() -> None:
    """Runs the experiment and writes results.json, table.md and figure.png."""
    parser = argparse.ArgumentParser(description="Estimators of a gradient under a capacity.")
    parser.add_argument("--quick", action="store_true", help="a small size, in seconds")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder to write to; docs/experiments/estimators, or in build/ with --quick",
    )
    arguments = parser.parse_args()
    settings = QUICK if arguments.quick else Settings()
    # A quick look must not take the place of the committed figures.
    out = arguments.out or Path("build" if arguments.quick else "docs", "experiments", "estimators")
    out.mkdir(parents=True, exist_ok=True)
    results = {
        "date": date.today().isoformat(),
        "command": command(),
        "machine": machine(),
        "settings": asdict(settings),
        **run(settings),
    }
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    write_table(results, out / "table.md")
    draw_figure(results, out / "figure.png")


if __name__ == "__main__":
    main()
