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

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.experiments.estimators_report import write_report
from benchmarks.experiments.estimators_toy import Model, forward, gradient_terms, start
from benchmarks.harness.experiment import Experiment, Settings, load_sizes, main
from benchmarks.harness.trials import Result, Trial, Trials
from trainer.estimators.biased import log_top_k
from trainer.estimators.capacity import FloatArray, capacity_of, log_softmax
from trainer.estimators.registry import ROUTERS, estimate
from transforms.section import Section


class Setup(Section):
    """Sizes of the toy; `factors` are n c / B."""

    batch_size: int
    num_experts: int
    factors: tuple[float, ...]
    samples: int
    seeds: int
    steps: int
    learning_rates: tuple[float, ...]
    top_k: int

    def capacity(self, factor: float) -> int:
        """c, rounded up."""
        return capacity_of(self.batch_size, self.num_experts, factor)


class EstimatorSettings(Settings):
    """The toy is all there is to set."""

    setup: Setup


def log_gate(name: str, logits: FloatArray, setup: Setup) -> FloatArray:
    """The log weights that the router's gate has without a capacity, [..., B, n]."""
    return log_top_k(logits, setup.top_k) if name == "top_k_dropped" else log_softmax(logits)


def measure(name: str, factor: float, setup: Setup) -> Result:
    """Bias and standard deviation of one router at one capacity."""
    data_rng = np.random.default_rng(0)
    model = start(1, setup.num_experts, data_rng)
    x = data_rng.uniform(-1, 1, (1, setup.batch_size))
    logits, residuals = (values[0] for values in forward(model, x))  # [B, n]
    log_probs = log_softmax(logits)
    truth = estimate(np.exp(log_probs), gradient_terms(x[0], residuals, log_probs))  # [4n]
    terms = gradient_terms(x[0], residuals, log_gate(name, logits, setup))
    rng = np.random.default_rng(1)
    capacity = setup.capacity(factor)
    samples, computed = [], 0.0
    for size in chunks(setup.samples):
        weights = ROUTERS[name](np.broadcast_to(logits, (size, *logits.shape)), capacity, rng)
        samples.append(estimate(weights, terms))
        computed += float(np.count_nonzero((weights > 0).any(axis=-1)))
    estimates = np.concatenate(samples)  # [samples, 4n]
    norm = float(np.linalg.norm(truth))
    deviation = float(np.sqrt(estimates.var(axis=0).sum())) / norm
    return {
        "capacity": capacity,
        "bias": float(np.linalg.norm(estimates.mean(axis=0) - truth)) / norm,
        "bias_of_an_unbiased_one": deviation / float(np.sqrt(setup.samples)),
        "deviation": deviation,
        "computed": computed / (setup.samples * setup.batch_size),
    }


def chunks(total: int, size: int = 2000) -> Iterator[int]:
    """Sizes that add up to `total`."""
    yield from (min(size, total - start) for start in range(0, total, size))


def train(name: str, factor: float, learning_rate: float, setup: Setup) -> Result:
    """SGD from the same starts on the same batches; the loss is that of the likeliest expert.

    That is what a server computes that asks one expert an example. It has no capacity.
    """
    rng, route_rng = np.random.default_rng(2), np.random.default_rng(3)
    model = start(setup.seeds, setup.num_experts, rng)
    for step in range(setup.steps):
        x = rng.uniform(-1, 1, (setup.seeds, setup.batch_size))
        logits, residuals = forward(model, x)
        weights = ROUTERS[name](logits, setup.capacity(factor), route_rng)
        terms = gradient_terms(x, residuals, log_gate(name, logits, setup))
        rate = learning_rate * (1.0 - step / setup.steps)
        change = rate * estimate(weights, terms).reshape(-1, 2, setup.num_experts, 2)
        model = Model(model.gate - change[:, 0], model.experts - change[:, 1])
    logits, residuals = forward(model, np.linspace(-1, 1, 1001))
    best = np.argmax(logits, axis=-1)[..., np.newaxis]
    losses = np.mean(np.take_along_axis(residuals, best, axis=-1) ** 2, axis=(-2, -1))  # [seeds]
    return {
        "capacity": setup.capacity(factor),
        "loss": float(losses.mean()),
        "standard_error": float(losses.std(ddof=1) / np.sqrt(setup.seeds)),
    }


def plan(settings: EstimatorSettings) -> list[Trial]:
    """Every cell of both parts."""
    setup = settings.setup
    cells = [
        {"router": name, "factor": factor}
        for factor, name in itertools.product(setup.factors, ROUTERS)
    ]
    moments = [{"part": "moments", **cell} for cell in cells]
    training = [
        {"part": "training", **cell, "learning_rate": rate}
        for cell, rate in itertools.product(cells, setup.learning_rates)
    ]
    return moments + training


def run(settings: EstimatorSettings, trials: Trials) -> dict[str, object]:
    """Measures and trains every cell."""
    setup = settings.setup

    def make(batch: Sequence[Trial]) -> Iterator[Result]:
        for trial in batch:
            name, factor = trial["router"], trial["factor"]
            if trial["part"] == "moments":
                yield measure(name, factor, setup)
            else:
                yield train(name, factor, trial["learning_rate"], setup)

    for trial in plan(settings):
        trials.run([trial], make)
    return {}


EXPERIMENT = Experiment(
    name="estimators",
    title="Estimators of a gradient under a capacity.",
    sizes=load_sizes("estimators", EstimatorSettings),
    count_trials=lambda settings: len(plan(settings)),
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
