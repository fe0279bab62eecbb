"""Two digits in one image: how they are composed, and the model that reads them."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.experiments.mnist_data import Images
from benchmarks.experiments.multi_mnist import Setup, train
from benchmarks.experiments.multi_mnist_data import make_pairs, make_splits
from benchmarks.experiments.multi_mnist_model import PairModel
from tests.benchmarks.mnist_files import write_images

DSELECT_K = {"kind": "dselect_k", "experts_per_task": 2}


def test_no_single_image_is_in_two_splits(tmp_path):
    write_images(tmp_path, 200)
    splits = make_splits(tmp_path, (400, 100, 50), seed=3)
    assert [len(pairs.labels) for pairs in splits] == [400, 100, 50]
    seen = [{*pairs.images[:, 0, 0], *pairs.images[:, -1, -1]} for pairs in splits]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_labels_belong_to_the_upper_left_and_the_lower_right_image(tmp_path):
    write_images(tmp_path, 200)
    for pairs in make_splits(tmp_path, (50, 50, 50), seed=3):
        corners = np.stack([pairs.images[:, 0, 0], pairs.images[:, -1, -1]], axis=-1)
        assert np.array_equal(corners % 10, pairs.labels)


def test_where_images_overlap_the_brighter_pixel_stays():
    pixels = np.stack([np.full((28, 28), 3, np.uint8), np.full((28, 28), 200, np.uint8)])
    pairs = make_pairs(Images(pixels, np.array([3, 2], np.uint8)), 20, np.random.default_rng(0))
    assert pairs.images.shape == (20, 36, 36)
    brightness = np.array([0, 0, 200, 3])[pairs.labels]
    assert np.array_equal(pairs.images[:, 18, 18], brightness.max(axis=1))
    assert not pairs.images[:, 35, 0].any()


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return tf.constant(rng.integers(256, size=(3, 36, 36)), tf.uint8)


def test_every_expert_starts_as_one_of_its_own():
    model = PairModel(DSELECT_K, 3, 0.1)
    for kernel, _ in model.experts.layers:
        assert not np.allclose(kernel[0], kernel[1]) and not np.allclose(kernel[1], kernel[2])


def test_leaving_out_unused_experts_changes_neither_output_nor_gradient(images):
    tf.random.set_seed(1)
    model = PairModel(DSELECT_K, 4, 0.1)
    # The first task is binary: experts 3 and 0. The second uses expert 1 too.
    bits = [[[1.0, 1.0], [-1.0, -1.0]], [[0.2, -1.0], [1.0, -1.0]]]
    model.gate.z.bias.assign(bits)
    weights = model.weights(training=True)[0][0]
    assert (weights.numpy() > 0).any(axis=0).tolist() == [True, True, False, True]

    def gradients(predict):
        with tf.GradientTape() as tape:
            logits = predict()
            loss = tf.reduce_sum(tf.square(logits))
        found = tape.gradient(loss, model.variables_trained)
        return logits, [tf.convert_to_tensor(gradient) for gradient in found]

    def predict_with_all():
        inputs = tf.cast(images[..., tf.newaxis], tf.float32) / 255.0
        experts = model.experts(inputs, tf.range(4))
        mixed = tf.einsum("tn,nbe->tbe", model.weights(training=True)[0][0], experts)
        return model.heads(model.towers(mixed))

    sparse, full = gradients(lambda: model.predict(images, True)[0]), gradients(predict_with_all)
    np.testing.assert_allclose(sparse[0], full[0], rtol=1e-5, atol=1e-6)
    for one, other in zip(sparse[1], full[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_shared_bottom_is_one_expert(images):
    model = PairModel({"kind": "shared_bottom"}, 8, 0.1)
    assert model.experts.layers[0][0].shape[0] == 1
    assert model.predict(images, False)[0].shape == (2, 3, 10)


def test_measures_do_not_depend_on_how_images_are_batched(images):
    model, labels = PairModel(DSELECT_K, 4, 0.1), tf.constant([[1, 2], [3, 4], [5, 6]])
    whole, parts = model.measure(images, labels, 3), model.measure(images, labels, 2)
    np.testing.assert_allclose(whole.loss, parts.loss, rtol=1e-5)
    np.testing.assert_allclose(whole.accuracies, parts.accuracies)


def test_a_gate_that_became_binary_is_told_from_one_that_did_not(tmp_path):
    write_images(tmp_path, 200)
    setup = Setup(
        data=tmp_path, num_experts=4, train=80, validation=20, test=20, batch_size=8, epochs=1
    )
    fast = DSELECT_K | {"beta": 0.05, "entropy_weight": 1.0}
    trials = [
        {"gate": gate, "learning_rate": 0.01, "seed": 0} for gate in (fast, {"kind": "top_k"})
    ]
    binary, never = train(trials, setup)
    assert binary["converged"] == binary["any"] and 0 < binary["open_share"] < 1
    assert binary["any"]["experts_used"] <= 2 and binary["any"]["union"] <= 4
    assert never["converged"] is None and never["open_share"] == 1
    assert len(never["any"]["accuracies"]) == 2
