"""Balance: do all experts of a sparse gate live, and what does that cost?

    make experiment NAME=balance [ARGS="--quick"]

Images of ten digits, one task, small experts, per-example gates. Without balance a few experts
may take all examples and the others die; soft rules ask a price for that, hard ones bar
experts for a while. Measured on test images: living experts, coefficient of variation of the
importance, accuracy, and the accuracy that is left when the least important experts are
switched off one after another. Runs of one gate train side by side as one model.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.experiments.balance_model import SparseExperts
from benchmarks.experiments.balance_report import write_report
from benchmarks.experiments.mnist_data import split_images
from benchmarks.harness.experiment import DataSetup, Experiment, Settings, load_sizes, main
from benchmarks.harness.trials import Result, Trial, Trials
from benchmarks.harness.tuning import Search, compare_gates, options_tried
from trainer.gates.importance import living_experts, squared_variation


class Setup(DataSetup):
    """Sizes.

    Attributes:
        num_experts: n.
        units: ReLU units of an expert.
        train: images to train on; at most 70% of those in `data`.
        batch_size: B.
        epochs: passes over them.
        data_seed: of the split.
    """

    num_experts: int
    units: int
    train: int
    batch_size: int
    epochs: int
    data_seed: int = 0


class BalanceSettings(Settings):
    """`search` has a gate for every kind of balance."""

    setup: Setup
    search: Search


Split = tuple[tf.Tensor, tf.Tensor]


@cache
def splits(setup: Setup) -> list[Split]:
    """Training, validation and test images as [N, 784] in 0..1, and labels [N]."""
    return [
        (
            tf.constant(images.pixels.reshape(len(images.labels), -1) / 255.0, tf.float32),
            tf.constant(images.labels, tf.int32),
        )
        for images in split_images(setup.data, setup.data_seed)
    ]


def train(trials: Sequence[Trial], setup: Setup) -> Iterator[Result]:
    """Trials that differ in learning rate and seed only, side by side; the end counts."""
    first = trials[0]
    (images, labels), validation, test = splits(setup)
    steps = setup.train // setup.batch_size
    tf.random.set_seed(first["seed"])
    rng = np.random.default_rng(first["seed"])
    runs = SparseExperts(
        first["gate"],
        setup.num_experts,
        setup.units,
        [trial["learning_rate"] for trial in trials],
        images.shape[1],
    )
    for _ in range(setup.epochs):
        order = rng.permutation(min(setup.train, len(labels)))[: steps * setup.batch_size]
        runs.train_epoch(images, labels, tf.constant(order.reshape(steps, -1), tf.int32))
    losses = runs.measure(*validation, runs.all_open()).losses.numpy()
    for end, loss in zip(describe(runs, validation, test), losses, strict=True):
        finite = {"validation_loss": float(loss), **end} if np.isfinite(loss) else None
        yield {"any": finite, "converged": None}


def describe(runs: SparseExperts, validation: Split, test: Split) -> list[Result]:
    """Use of the experts and accuracy of each run on the test images."""
    every = runs.all_open()
    importance = runs.measure(*test, every).importance  # [R, n]
    # Which experts matter is known before the test.
    ranks = rank_experts(runs.measure(*validation, every).importance.numpy())
    curve = [
        runs.measure(*test, tf.constant(ranks < active)).accuracies.numpy()
        for active in range(1, runs.num_experts + 1)
    ]
    return [
        {
            "living": int(living),
            "variation": float(variation),
            "accuracy": float(accuracies[-1]),
            "accuracy_by_active": [round(float(accuracy), 5) for accuracy in accuracies],
        }
        for living, variation, accuracies in zip(
            living_experts(importance).numpy(),
            tf.sqrt(squared_variation(importance)).numpy(),
            np.stack(curve, axis=-1),
            strict=True,
        )
    ]


def rank_experts(importance: npt.NDArray[np.float32]) -> npt.NDArray[np.int_]:
    """Each expert's place by importance, 0 for the most important one.

    Args:
        importance: [R, n].

    Example:
        >>> rank_experts(np.array([[1.0, 3.0, 2.0]])).tolist()
        [[2, 0, 1]]
    """
    return np.argsort(np.argsort(-importance, axis=-1, kind="stable"), axis=-1)


def run(settings: BalanceSettings, trials: Trials) -> dict[str, object]:
    """Every kind of balance."""
    search = settings.search
    gates = compare_gates({}, search, trials, lambda batch: train(batch, settings.setup))
    tried = {name: options_tried({}, name, search, trials) for name in gates}
    return {"gates": gates, "tried": tried}


EXPERIMENT = Experiment(
    name="balance",
    title="Balance of sparse gates: do all experts live, and what does it cost?",
    sizes=load_sizes("balance", BalanceSettings),
    count_trials=lambda settings: settings.search.count(),
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
