"""The ranker of the experiment `movielens`, and its training with one gate after another."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from benchmarks.experiments.movielens_data import Ratings
from benchmarks.harness.experiment import DataSetup
from benchmarks.harness.static_runs import USED
from trainer.config import TrainerConfig
from trainer.model.network import RankerOutput
from trainer.model.ranker import Ranker

_TASKS = {
    "watch": {"kind": "classification", "group": "engagement", "label": {"event": "watch"}},
    "rating": {
        "kind": "regression",
        "group": "satisfaction",
        "label": {"event": "rating", "aggregation": "last"},
    },
}
# Half of all pairs are ratings.
_RATED = 0.5


class Setup(DataSetup):
    """What every trial depends on.

    Attributes:
        num_experts: n.
        units: of an expert's one layer and of a tower's.
        embedding_dim: of a user and of a movie.
        dropout: after each expert.
        batch_size: B.
        epochs: passes over the training pairs; the best of them by validation counts.
        data_seed: of the drawn pairs, the split and the order of the examples.
    """

    num_experts: int
    units: int
    embedding_dim: int
    dropout: float
    batch_size: int
    epochs: int
    data_seed: int = 0


class Sums(NamedTuple):
    """What adds up over the parts of a split.

    Attributes:
        pairs: how many.
        watch: of their cross-entropies.
        rated: how many of them are ratings.
        rating: of the squared errors of these.
        experts: over pairs of the mean number of experts that a task uses.
        by_any: [n], how many pairs use an expert in any task.
    """

    pairs: tf.Tensor
    watch: tf.Tensor
    rated: tf.Tensor
    rating: tf.Tensor
    experts: tf.Tensor
    by_any: tf.Tensor


class TwoTasks(tf.Module):
    """A ranker of users and movies, traced once for all trials of a gate.

    Args:
        gate: section of the YAML.
        setup: sizes.
        ratings: how many users and movies there are, and the mean rating.
    """

    def __init__(self, gate: Mapping[str, Any], setup: Setup, ratings: Ratings) -> None:
        super().__init__("two_tasks")
        self.config, self.ratings = make_config(gate, setup), ratings
        self.ranker, self.optimizer = self._make()
        self.variables_trained = list(self.ranker.trainable_variables)
        self.watch_share = tf.Variable(0.5, trainable=False)
        # Over the steps: those before all selectors were binary, and the experts in use.
        self.open_steps = tf.Variable(0.0, trainable=False)
        self.experts_in_use = tf.Variable(0.0, trainable=False)

    def restart(self, seed: int, learning_rate: float, watch_share: float) -> None:
        """Back to the state before the first step.

        Args:
            seed: of the variables. The noise of dropout and gates goes on where it was.
            learning_rate: of Adagrad.
            watch_share: eta, the weight of the task `watch`; `rating` has the rest.
        """
        tf.keras.utils.set_random_seed(seed)
        ranker, optimizer = self._make()
        fresh = [*ranker.variables, *optimizer.variables]
        for variable, start in zip(self._state(), fresh, strict=True):
            variable.assign(start)
        self.optimizer.learning_rate = learning_rate
        self.watch_share.assign(watch_share)
        self.open_steps.assign(0.0)
        self.experts_in_use.assign(0.0)

    @tf.function
    def train_epoch(
        self, users: tf.Tensor, items: tf.Tensor, ratings: tf.Tensor, order: tf.Tensor
    ) -> None:
        """One step a row of `order`, [steps, B]."""
        for step in tf.range(tf.shape(order)[0]):
            rows = order[step]
            self.step(tf.gather(users, rows), tf.gather(items, rows), tf.gather(ratings, rows))

    def step(self, users: tf.Tensor, items: tf.Tensor, ratings: tf.Tensor) -> None:
        """One step of the optimizer over pairs [B]."""
        with tf.GradientTape() as tape:
            output = self._predict(users, items, training=True)
            watch, rating = losses(output.logits, ratings)
            share = self.watch_share
            rated = _RATED * tf.cast(tf.shape(ratings)[0], tf.float32)
            loss = share * tf.reduce_mean(watch) + (1.0 - share) * tf.reduce_sum(rating) / rated
            loss += tf.add_n([tf.zeros([]), *output.penalties.values()])
        gradients = tape.gradient(loss, self.variables_trained)
        self.optimizer.apply_gradients(zip(gradients, self.variables_trained, strict=True))
        used = tf.reduce_any(output.gate_weights > 0, axis=list(range(_rank(output) - 1)))
        self.experts_in_use.assign_add(tf.reduce_sum(tf.cast(used, tf.float32)))
        is_open = ~tf.reduce_all(self.ranker.gate.converged())
        self.open_steps.assign_add(tf.cast(is_open, tf.float32))

    @tf.function(reduce_retracing=True)
    def measure(self, users: tf.Tensor, items: tf.Tensor, ratings: tf.Tensor) -> Sums:
        """Losses and experts in use of pairs [B], as at serving."""
        output = self._predict(users, items, training=False)
        watch, rating = losses(output.logits, ratings)
        used = output.gate_weights > USED  # [T, n] or [B, T, n]
        pairs = tf.shape(ratings)[0]
        used = tf.broadcast_to(used, [pairs, *used.shape[-2:]])  # [B, T, n]
        return Sums(
            tf.cast(pairs, tf.float32),
            tf.reduce_sum(watch),
            tf.reduce_sum(tf.cast(ratings > 0, tf.float32)),
            tf.reduce_sum(rating),
            tf.reduce_sum(tf.cast(used, tf.float32)) / len(_TASKS),
            tf.reduce_sum(tf.cast(tf.reduce_any(used, axis=1), tf.float32), axis=0),
        )

    def _predict(self, users: tf.Tensor, items: tf.Tensor, training: bool) -> RankerOutput:
        output: RankerOutput = self.ranker({"user": users, "movie": items}, training=training)
        return output

    def _state(self) -> list[tf.Variable]:
        return [*self.ranker.variables, *self.optimizer.variables]

    def _make(self) -> tuple[Ranker, tf.keras.optimizers.Optimizer]:
        counts = {"user": self.ratings.num_users, "movie": self.ratings.num_items}
        means = {"watch": _RATED, "rating": float(self.ratings.ratings.mean())}
        ranker = Ranker(self.config, counts, means)
        ranker({name: tf.zeros([1], tf.int64) for name in counts})
        ranker.set_output_biases()
        optimizer = tf.keras.optimizers.Adagrad()
        optimizer.build(ranker.trainable_variables)
        return ranker, optimizer


def losses(logits: tf.Tensor, ratings: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits [2, B] -> cross-entropies of `watch` and squared errors of `rating`, [B] each.

    Args:
        logits: of both tasks.
        ratings: 0 where there is none; the squared error is 0 there, too.

    Example:
        >>> watch, rating = losses(tf.constant([[0.0, 0.0], [4.0, 4.0]]), tf.constant([5.0, 0.0]))
        >>> rating.numpy().tolist()
        [1.0, 0.0]
    """
    watched = tf.cast(ratings > 0, tf.float32)
    watch = tf.nn.sigmoid_cross_entropy_with_logits(watched, logits[0])
    return watch, watched * tf.square(logits[1] - ratings)


def make_config(gate: Mapping[str, Any], setup: Setup) -> TrainerConfig:
    """The ranker: two embeddings, n experts of one layer, a tower of one layer a task."""
    return TrainerConfig.model_validate(
        {
            "features": {
                "user": {"of": "user", "kind": "categorical"},
                "movie": {"of": "item", "kind": "categorical"},
            },
            "tasks": _TASKS,
            "gate": dict(gate),
            "model": {
                "num_experts": setup.num_experts,
                "expert_units": [setup.units],
                "tower_units": [setup.units],
                "expert_dropout": setup.dropout,
                "embedding_dim": setup.embedding_dim,
                "cross_layers": 0,
            },
            "score": "watch * rating",
        }
    )


def _rank(output: RankerOutput) -> int:
    rank: int = output.gate_weights.shape.rank
    return rank
