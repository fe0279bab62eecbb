"""Groups of related regression tasks: which gate finds out who is related?

    make experiment NAME=synthetic [ARGS="--quick"]

DSelect-k's appendix C.1. Each group of tasks is made by four experts of its own; the model has
T/4 experts for all T tasks and is not told the groups. Measured: test error, and how alike
the experts of related and of unrelated tasks are (Jaccard). Runs of one gate train side by
side as one model.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from benchmarks.experiments.synthetic_data import (
    NUM_FEATURES,
    UNITS_PER_EXPERT,
    Split,
    make_groups,
    make_splits,
)
from benchmarks.experiments.synthetic_report import write_report
from benchmarks.harness.experiment import Experiment, Settings, load_sizes, main
from benchmarks.harness.measures import jaccard
from benchmarks.harness.static_runs import StaticRuns, fit_schedule
from benchmarks.harness.trials import Result, Trial, Trials
from benchmarks.harness.tuning import Search, compare_gates
from transforms.section import Section


class Setup(Section):
    """Sizes.

    Attributes:
        train: examples; then `validation` and `test`.
        batch_size: B.
        epochs: passes over the training examples; the best of them by validation counts.
        data_seed: of examples and labels.
    """

    train: int
    validation: int
    test: int
    batch_size: int
    epochs: int
    data_seed: int = 0


class SyntheticSettings(Settings):
    """`tasks` are the numbers of tasks, T; `search` is the same for all of them."""

    setup: Setup
    tasks: tuple[int, ...]
    search: Search


class SumOfUnits(StaticRuns):
    """Runs of the model: n experts, each the sum of four ReLU units, one output a task.

    Args:
        gate: section of the YAML.
        num_tasks: T, of one run.
        num_experts: n.
        rates: learning rate of each run, [R].
    """

    def __init__(
        self, gate: dict[str, object], num_tasks: int, num_experts: int, rates: Sequence[float]
    ) -> None:
        super().__init__(gate, num_tasks, num_experts, rates)
        units = self.num_experts * UNITS_PER_EXPERT
        kernel = tf.random.normal([self.num_runs, NUM_FEATURES, units], stddev=NUM_FEATURES**-0.5)
        self.kernel = tf.Variable(kernel)
        self.bias = tf.Variable(tf.zeros([self.num_runs, 1, units]))
        self.variables_trained = list(self.trainable_variables)
        self.optimizer = tf.keras.optimizers.Adam(1.0)
        self.optimizer.build(self.variables_trained)

    def predict(self, inputs: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, 10] -> predictions [R, B, T], and the penalties."""
        weights, penalties = self.weights(training)  # [R, T, n]
        hidden = tf.nn.relu(tf.einsum("bd,rdu->rbu", inputs, self.kernel) + self.bias)
        hidden = tf.reshape(hidden, (self.num_runs, -1, self.num_experts, UNITS_PER_EXPERT))
        experts = tf.reduce_sum(hidden, axis=-1)  # [R, B, n]
        return tf.einsum("rbn,rtn->rbt", experts, weights), penalties

    @tf.function(jit_compile=True)
    def train_epoch(self, inputs: tf.Tensor, labels: tf.Tensor, order: tf.Tensor) -> None:
        """One step a row of `order`, [steps, B]; the loss is summed over tasks."""
        for step in tf.range(tf.shape(order)[0]):
            self.step(tf.gather(inputs, order[step]), tf.gather(labels, order[step]))

    def step(self, inputs: tf.Tensor, labels: tf.Tensor) -> None:
        """One step of the optimizer over examples [B, 10] with labels [B, T]."""
        with tf.GradientTape() as tape:
            predictions, penalties = self.predict(inputs, training=True)
            errors = tf.reduce_mean(tf.square(predictions - labels), axis=1)  # [R, T]
            loss = tf.reduce_sum(errors) + penalties
        gradients = tape.gradient(loss, self.variables_trained)
        self.apply(self.optimizer, gradients, self.variables_trained)

    @tf.function(jit_compile=True)
    def errors(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Mean squared error of each run, [R]."""
        predictions, _ = self.predict(inputs, training=False)
        return tf.reduce_mean(tf.square(predictions - labels), axis=[1, 2])


@cache
def splits(num_tasks: int, setup: Setup) -> list[Split]:
    """Training, validation and test examples as tensors."""
    sizes = (setup.train, setup.validation, setup.test)
    made = make_splits(num_tasks, sizes, setup.data_seed)
    return [Split(tf.constant(x), tf.constant(y)) for x, y in made]


def train(trials: Sequence[Trial], setup: Setup) -> Iterator[Result]:
    """Trials that differ in learning rate and seed only, side by side.

    A run's result is that of its best epoch by validation, and of its best epoch after it
    converged.
    """
    first = trials[0]
    training, validation, test = splits(first["tasks"], setup)
    steps = setup.train // setup.batch_size
    tf.random.set_seed(first["seed"])
    rng = np.random.default_rng(first["seed"])
    gate = fit_schedule(first["gate"], steps * setup.epochs)
    rates = [trial["learning_rate"] for trial in trials]
    runs = SumOfUnits(gate, first["tasks"], first["tasks"] // 4, rates)
    results: list[Result] = [{"any": None, "converged": None} for _ in trials]
    for epoch in range(1, setup.epochs + 1):
        order = rng.permutation(setup.train)[: steps * setup.batch_size]
        runs.train_epoch(*training, tf.constant(order.reshape(steps, -1), tf.int32))
        keep_best(results, epoch, runs, first["tasks"], validation, test)
    open_steps = runs.open_steps.numpy() / (steps * setup.epochs)
    for result, share in zip(results, open_steps, strict=True):
        yield {**result, "open_share": float(share)}


def keep_best(
    results: list[Result],
    epoch: int,
    runs: SumOfUnits,
    num_tasks: int,
    validation: Split,
    test: Split,
) -> None:
    """Notes what each run is now, where it is the best so far."""
    losses = runs.errors(*validation).numpy()
    rules = {"any": np.isfinite(losses), "converged": runs.converged().numpy()}
    better = [
        (r, rule)
        for rule, counts in rules.items()
        for r, result in enumerate(results)
        if counts[r] and (not result[rule] or losses[r] < result[rule]["validation_loss"])
    ]
    found = describe(runs, num_tasks, runs.errors(*test).numpy()) if better else []
    for r, rule in better:
        now = {"validation_loss": float(losses[r]), "epoch": epoch, **found[r]}
        results[r][rule] = now


def describe(runs: StaticRuns, num_tasks: int, test_losses: np.ndarray) -> list[Result]:
    """Test error and experts of each run now."""
    groups = make_groups(num_tasks)
    found = []
    for loss, selected in zip(test_losses, runs.selected(), strict=True):
        related, unrelated = jaccard(selected, groups)
        found.append(
            {
                "test_loss": float(loss),
                "related": related,
                "unrelated": None if np.isnan(unrelated) else unrelated,
                "experts_used": float(selected.sum(axis=-1).mean()),
                "union": int(selected.any(axis=0).sum()),
            }
        )
    return found


def run(settings: SyntheticSettings, trials: Trials) -> dict[str, object]:
    """Every gate for every number of tasks."""
    return {
        "cases": [
            {"tasks": tasks}
            | {
                "gates": compare_gates(
                    {"tasks": tasks},
                    settings.search,
                    trials,
                    lambda batch: train(batch, settings.setup),
                )
            }
            for tasks in settings.tasks
        ]
    }


EXPERIMENT = Experiment(
    name="synthetic",
    title="Groups of related tasks: which gate finds out who is related?",
    sizes=load_sizes("synthetic", SyntheticSettings),
    count_trials=lambda settings: len(settings.tasks) * settings.search.count(),
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
