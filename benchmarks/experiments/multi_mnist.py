"""Two digits in one image, a task each: which gate reads them best, and with how few experts?

    make experiment NAME=multi_mnist [ARGS="--quick --data FOLDER"]

DSelect-k's section 4.2. With a folder of Fashion-MNIST it is Multi-Fashion. Experts are
convolutional, gates static. An expert that no task uses is not computed, so a gate that
becomes binary early makes the rest of the training cheaper.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from benchmarks.experiments.multi_mnist_data import make_splits
from benchmarks.experiments.multi_mnist_model import PairModel
from benchmarks.experiments.multi_mnist_report import write_report
from benchmarks.harness.experiment import DataSetup, Experiment, Settings, load_sizes, main
from benchmarks.harness.static_runs import fit_schedule
from benchmarks.harness.trials import Result, Trial, Trials
from benchmarks.harness.tuning import Search, compare_gates

_PREDICTED_AT_ONCE = 500


class Setup(DataSetup):
    """Sizes.

    Attributes:
        num_experts: n.
        train: pairs of digits; then `validation` and `test`.
        batch_size: B.
        epochs: passes over the training pairs.
        data_seed: of the split and of the pairs.
    """

    num_experts: int
    train: int
    validation: int
    test: int
    batch_size: int
    epochs: int
    data_seed: int = 0

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Pairs of each split."""
        return self.train, self.validation, self.test


class MultiMnistSettings(Settings):
    """`search` is the grid of every gate."""

    setup: Setup
    search: Search


Split = tuple[tf.Tensor, tf.Tensor]


@cache
def splits(setup: Setup) -> list[Split]:
    """Training, validation and test images and labels as tensors."""
    return [
        (tf.constant(pairs.images), tf.constant(pairs.labels, tf.int32))
        for pairs in make_splits(setup.data, setup.sizes, setup.data_seed)
    ]


def train(trials: Sequence[Trial], setup: Setup) -> Iterator[Result]:
    """One trial after the other; the end of its training counts."""
    training, validation, test = splits(setup)
    steps = setup.train // setup.batch_size
    for trial in trials:
        tf.random.set_seed(trial["seed"])
        rng = np.random.default_rng(trial["seed"])
        gate = fit_schedule(trial["gate"], steps * setup.epochs)
        model = PairModel(gate, setup.num_experts, trial["learning_rate"])
        for _ in range(setup.epochs):
            order = rng.permutation(setup.train)[: steps * setup.batch_size]
            model.train_epoch(*training, tf.constant(order.reshape(steps, -1), tf.int32))
        end = describe(model, validation, test)
        yield {
            "any": end,
            "converged": end if model.converged().numpy().all() else None,
            "open_share": float(model.open_steps[0]) / (steps * setup.epochs),
        }


def describe(model: PairModel, validation: Split, test: Split) -> Result | None:
    """What a model is at its end; None if it has diverged."""
    loss = float(model.measure(*validation, _PREDICTED_AT_ONCE).loss)
    if not np.isfinite(loss):
        return None
    tested = model.measure(*test, _PREDICTED_AT_ONCE)
    selected = model.selected()[0]  # [T, n]
    return {
        "validation_loss": loss,
        "test_loss": float(tested.loss),
        "accuracies": [round(float(accuracy), 5) for accuracy in tested.accuracies],
        "experts_used": float(selected.sum(axis=-1).mean()),
        "union": int(selected.any(axis=0).sum()),
    }


def run(settings: MultiMnistSettings, trials: Trials) -> dict[str, object]:
    """Every gate."""
    gates = compare_gates({}, settings.search, trials, lambda batch: train(batch, settings.setup))
    return {"gates": gates}


EXPERIMENT = Experiment(
    name="multi_mnist",
    title="Two digits in one image: accuracy of both tasks, and the experts used.",
    sizes=load_sizes("multi_mnist", MultiMnistSettings),
    count_trials=lambda settings: settings.search.count(),
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
