"""The position tower takes a known position bias out of what is served; cross layers are DCN-v2."""

import numpy as np
import tensorflow as tf
from small_ranker import make_batch, make_config, make_ranker

from trainer.model.added_logits import PositionLogit
from trainer.model.options import PositionTower
from transforms.examples import POSITION, label_name

BIAS = 1.2
NUM_POSITIONS = 8


def biased_batch(size: int, seed: int) -> dict[str, tf.Tensor]:
    """Clicks of log-odds age - BIAS log(position); older candidates are shown first."""
    rng = np.random.default_rng(seed)
    batch = make_batch(size, seed)
    age = rng.normal(size=size)
    rank = np.clip(np.round(4 - 1.5 * age + rng.normal(size=size)), 1, NUM_POSITIONS)
    chance = 1 / (1 + np.exp(BIAS * np.log(rank) - age))
    return batch | {
        "age": tf.constant(age, tf.float32),
        POSITION: tf.constant(rank, tf.int64),
        label_name("click"): tf.constant(rng.random(size) < chance, tf.float32),
    }


def train_on_biased(position: dict | None):
    model = {"position": position, "num_experts": 2, "cross_layers": 0}
    ranker = make_ranker(make_config(model=model))
    ranker.compile(optimizer=tf.keras.optimizers.Adam(0.02))
    step = tf.function(lambda batch: ranker.train_step(batch))
    for i in range(250):
        step(biased_batch(512, i))
    return ranker


def slope_of_age(ranker) -> float:
    """How much a year adds to the click's logit of a candidate as if shown first."""
    batch = biased_batch(2000, 999)
    first = batch | {POSITION: tf.ones_like(batch[POSITION])}
    logits = ranker(first).logits[0].numpy()
    return float(np.polyfit(batch["age"].numpy(), logits, 1)[0])


def test_the_tower_learns_the_bias_and_leaves_the_rest_to_the_features():
    ranker = train_on_biased({"max_position": NUM_POSITIONS, "dropout": 0.0})
    table = ranker.position.table.embeddings.numpy()[1:, 0]
    learned = -np.polyfit(np.log(np.arange(1, NUM_POSITIONS + 1)), table, 1)[0]
    assert abs(learned - BIAS) < 0.3
    assert abs(slope_of_age(ranker) - 1.0) < 0.15, "what age is worth, the position apart"


def test_without_it_features_are_taken_for_what_the_position_did():
    assert slope_of_age(train_on_biased(None)) > 1.2


def test_an_unknown_position_adds_what_hidden_ones_taught():
    layer = PositionLogit(3, PositionTower(max_position=4))
    layer(tf.constant([1]))
    layer.table.embeddings.assign(tf.reshape(tf.range(15.0), [5, 3]))
    found = layer(tf.constant([0, 4, 99, -1])).numpy()
    np.testing.assert_array_equal(found.T, [[0, 1, 2], [12, 13, 14], [12, 13, 14], [0, 1, 2]])


def test_dropout_hides_positions_in_training_only():
    layer = PositionLogit(1, PositionTower(max_position=4, dropout=0.5))
    layer(tf.constant([1]))
    layer.table.embeddings.assign([[0.0], [1.0], [1.0], [1.0], [1.0]])
    positions = tf.ones([1000], tf.int64)
    assert layer(positions).numpy().all()
    assert 0.4 < layer(positions, training=True).numpy().mean() < 0.6


def test_cross_layers_are_those_of_dcn_v2():
    ranker = make_ranker(make_config(model={"cross_layers": 2}))
    x0 = tf.random.normal([5, 4])
    hidden = x0
    for layer in ranker.crosses:
        kernel, bias = layer.trainable_variables
        assert kernel.shape == (4, 4), "a full matrix, not the vector of DCN"
        hidden = x0 * (hidden @ kernel + bias) + hidden
    np.testing.assert_allclose(ranker.cross(x0), hidden, atol=1e-5)
