"""Conditional training changes what a step costs, and nothing that a task sees."""

import numpy as np
import pytest
import tensorflow as tf
from gate_family import harden

from trainer.dataset import Batches, read_batches
from trainer.train import make_ranker
from trainer.union_training import TrainUnion

OPTIMIZERS = {
    "sgd": lambda: tf.keras.optimizers.SGD(0.0005, momentum=0.9),
    "adam": lambda: tf.keras.optimizers.Adam(0.01),
    "adagrad": lambda: tf.keras.optimizers.Adagrad(0.05),
}


@pytest.fixture
def batches(trained):
    return list(read_batches(trained.files["train"], trained.transform, 128))


def make_binary(trained, batches, optimizer):
    """A ranker whose tasks use experts 0 and 2 only, after some steps."""
    tf.keras.utils.set_random_seed(3)
    config = trained.config.trainer_config("candidate")
    # Nothing random in a step, and no penalty on experts that nobody uses.
    position = config.model.position.model_copy(update={"dropout": 0.0})
    config = config.model_copy(
        update={
            "model": config.model.model_copy(update={"position": position}),
            "training": config.training.model_copy(update={"l2": 0.0}),
        }
    )
    ranker = make_ranker(config, trained.transform, mean_labels_of(trained))
    ranker(batches[0])
    ranker.compile(optimizer=OPTIMIZERS[optimizer]())
    ranker.optimizer.build(ranker.trainable_variables)
    harden(ranker.gate)
    ranker.gate.z.bias.assign(tf.repeat([[[-9.0, -9.0], [-9.0, 9.0]]], 3, axis=0))
    for batch in batches[:3]:
        ranker.train_step(batch)
    return ranker


def mean_labels_of(trained):
    batches = Batches(trained.files["train"], trained.transform, 128)
    return batches.mean_labels(trained.config.tasks)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_union_trains_as_all_experts_would(trained, batches, optimizer):
    whole, narrow = (make_binary(trained, batches, optimizer) for _ in range(2))
    assert narrow.can_narrow
    before = narrow(batches[0]).logits
    narrow.narrow()
    assert [level.indices.tolist() for level in narrow.union.levels] == [[0, 2]]
    np.testing.assert_allclose(narrow(batches[0]).logits, before, rtol=1e-6, atol=1e-6)
    idle = narrow.experts.layers[0].kernel.numpy()[[1, 3]]
    for batch in batches[3:9]:
        whole.train_step(batch)
        narrow.train_step(batch)
    narrow.widen()
    np.testing.assert_allclose(whole(batches[0]).logits, narrow(batches[0]).logits, atol=1e-5)
    np.testing.assert_array_equal(narrow.experts.layers[0].kernel.numpy()[[1, 3]], idle)
    for a, b in zip(whole.optimizer.variables, narrow.optimizer.variables, strict=True):
        used = [0, 2] if a.shape.rank == 3 and a.shape[0] == 4 else slice(None)
        if a.shape.rank:
            np.testing.assert_allclose(a.numpy()[used], b.numpy()[used], atol=1e-5)
    assert int(whole.optimizer.iterations) == int(narrow.optimizer.iterations)


def test_the_weights_of_a_checkpoint_are_the_same_with_and_without(trained, batches):
    ranker = make_binary(trained, batches, "adam")
    shapes = [w.shape for w in ranker.weights]
    ranker.narrow()
    ranker.train_step(batches[3])
    assert [w.shape for w in ranker.weights] == shapes


def test_training_narrows_once_all_gates_are_binary(trained, batches):
    ranker = make_binary(trained, batches, "adam")
    ranker.converged_step.assign(tf.zeros_like(ranker.converged_step))
    callback = TrainUnion()
    data = read_batches(trained.files["train"], trained.transform, 128)
    ranker.fit(data, epochs=2, verbose=0, callbacks=[callback])
    assert callback.step == 1
    assert callback.steps == [0, 2 * len(batches) - 2]
    told = callback.describe(128)
    assert (told["step"], told["experts"], told["before"]) == (1, 2, None)
    assert told["after"] > 0
    assert ranker.union is None


def test_a_gate_that_is_not_binary_is_trained_whole(trained, batches):
    ranker = make_binary(trained, batches, "adam")
    ranker.gate.z.bias.assign(tf.zeros_like(ranker.gate.z.bias))
    assert not ranker.can_narrow
    assert TrainUnion().describe(128) is None
