"""Gate recovery: 4 of 16 frozen experts made the labels; does the gate find them?

    make experiment NAME=recovery [ARGS="--quick"]

DSelect-k's appendix C.2.2. Experts are fixed, only the gate trains. Every seed has experts,
labels and a gate of its own; all seeds train side by side as one gate of as many tasks.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from benchmarks.experiments.recovery_report import write_report
from benchmarks.experiments.synthetic_data import NUM_FEATURES, UNITS_PER_EXPERT
from benchmarks.harness.experiment import Experiment, Settings, load_sizes, main
from benchmarks.harness.static_runs import StaticRuns, fit_schedule
from benchmarks.harness.trials import Result, Trial, Trials
from benchmarks.harness.tuning import FIRST_SEED, Search, compare_gates
from transforms.section import Section


class Setup(Section):
    """Sizes.

    Attributes:
        num_experts: n, all frozen.
        num_true: how many of them make the labels.
        train: examples; then `validation`.
        batch_size: B.
        epochs: passes over the training examples.
        points: of a trajectory, which the first repetition of each gate notes.
    """

    num_experts: int
    num_true: int
    train: int
    validation: int
    batch_size: int
    epochs: int
    points: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of the training examples."""
        return self.train // self.batch_size

    @property
    def steps(self) -> int:
        """Of a training."""
        return self.steps_per_epoch * self.epochs


class RecoverySettings(Settings):
    """`search` is the paper's grid."""

    setup: Setup
    search: Search


class FrozenExperts(StaticRuns):
    """Gates of one task each over experts that do not train.

    Args:
        trials: a run each; a run's experts and labels come from its own seed.
        setup: sizes.
    """

    def __init__(self, trials: Sequence[Trial], setup: Setup) -> None:
        rates = [trial["learning_rate"] for trial in trials]
        gate = fit_schedule(trials[0]["gate"], setup.steps)
        super().__init__(gate, 1, setup.num_experts, rates)
        worlds = [make_world(trial["seed"], setup) for trial in trials]
        self.kernel = tf.constant(np.stack([kernel for kernel, _ in worlds]))  # [R, d, n 4]
        self.truth = tf.constant(np.stack([truth for _, truth in worlds]))  # [R, n]
        self.variables_trained = list(self.trainable_variables)
        self.optimizer = tf.keras.optimizers.Adam(1.0)
        self.optimizer.build(self.variables_trained)

    def residuals(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """[B, d] and weights [R, n] -> prediction - label, [R, B]."""
        hidden = tf.nn.relu(tf.einsum("bd,rdu->rbu", inputs, self.kernel))
        shape = (self.num_runs, -1, self.num_experts, UNITS_PER_EXPERT)
        experts = tf.reduce_sum(tf.reshape(hidden, shape), axis=-1)  # [R, B, n]
        return tf.einsum("rbn,rn->rb", experts, weights - self.truth)

    @tf.function(jit_compile=True)
    def train_steps(self, inputs: tf.Tensor, order: tf.Tensor) -> None:
        """One step a row of `order`, [steps, B]."""
        for step in tf.range(tf.shape(order)[0]):
            x = tf.gather(inputs, order[step])
            with tf.GradientTape() as tape:
                weights, penalties = self.weights(training=True)
                loss = tf.reduce_mean(tf.square(self.residuals(x, weights[:, 0])), axis=1)
                objective = tf.reduce_sum(loss) + penalties
            gradients = tape.gradient(objective, self.variables_trained)
            self.apply(self.optimizer, gradients, self.variables_trained)

    @tf.function(jit_compile=True)
    def errors(self, inputs: tf.Tensor) -> tf.Tensor:
        """Mean squared error of each run, [R]."""
        weights, _ = self.weights(training=False)
        return tf.reduce_mean(tf.square(self.residuals(inputs, weights[:, 0])), axis=1)


def make_world(seed: int, setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """Kernels [d, n 4] of all experts, and the weights [n] that make the labels.

    The true experts' weights are the softmax of standard normals.
    """
    rng = np.random.default_rng(seed)
    kernel = rng.standard_normal((NUM_FEATURES, setup.num_experts * UNITS_PER_EXPERT), np.float32)
    truth = np.zeros(setup.num_experts, np.float32)
    chosen = rng.choice(setup.num_experts, setup.num_true, replace=False)
    logits = np.exp(rng.standard_normal(setup.num_true))
    truth[chosen] = logits / logits.sum()
    return kernel, truth


def train(trials: Sequence[Trial], setup: Setup) -> Iterator[Result]:
    """All trials side by side, with the weights' trajectories."""
    tf.random.set_seed(trials[0]["seed"])
    rng = np.random.default_rng(trials[0]["seed"])
    inputs = rng.standard_normal((setup.train + setup.validation, NUM_FEATURES), np.float32)
    training, validation = (tf.constant(x) for x in np.split(inputs, [setup.train]))
    runs = FrozenExperts(trials, setup)
    seen = setup.steps_per_epoch * setup.batch_size
    order = np.stack([rng.permutation(setup.train)[:seen] for _ in range(setup.epochs)])
    order = order.reshape(-1, setup.batch_size)  # [steps, B]
    paths = []
    for rows in np.array_split(order, setup.points):
        runs.train_steps(training, tf.constant(rows, tf.int32))
        paths.append(runs.weights(training=False)[0][:, 0].numpy())
    path = np.stack(paths, axis=1)  # [R, points, n]
    losses, converged = runs.errors(validation).numpy(), runs.converged().numpy()
    selected, true = runs.selected()[:, 0], runs.truth.numpy() > 0
    for r in range(len(trials)):
        end = {"validation_loss": float(losses[r])} if np.isfinite(losses[r]) else None
        yield {
            "any": end,
            "converged": end if converged[r] else None,
            "found": int((selected[r] & true[r]).sum()),
            "experts_used": int(selected[r].sum()),
            "open_share": float(runs.open_steps[r]) / len(order),
            "true": np.flatnonzero(true[r]).tolist(),
            "path": path[r].round(4).tolist() if trials[r]["seed"] == FIRST_SEED else None,
        }


def run(settings: RecoverySettings, trials: Trials) -> dict[str, object]:
    """Every gate."""
    gates = compare_gates({}, settings.search, trials, lambda batch: train(batch, settings.setup))
    return {"gates": gates}


EXPERIMENT = Experiment(
    name="recovery",
    title="Gate recovery: does a gate find the experts that made the labels?",
    sizes=load_sizes("recovery", RecoverySettings),
    count_trials=lambda settings: settings.search.count(),
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
