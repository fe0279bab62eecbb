"""Training: what is recorded, when it stops, what the weights are afterwards."""

import numpy as np
import tensorflow as tf

from trainer.dataset import Batches, read_batches


def test_the_record_follows_the_gate_from_start_to_binary(trained):
    record = trained.record
    for task, steps in record["gate_weights"].items():
        assert len(steps) == len(record["steps"])
        np.testing.assert_allclose(sum(steps[-1]), 1, atol=1e-5)
        assert np.count_nonzero(steps[0]) == 4, "a fresh gate uses every expert"
        assert np.count_nonzero(steps[-1]) <= 2, "a converged one at most two"
        assert 0 < record["converged_step"][task] <= record["total_steps"]


def test_the_loss_falls(trained):
    losses = [epoch["val_loss"] for epoch in trained.record["epochs"]]
    assert losses[-1] < losses[0]
    best = trained.record["epochs"][trained.record["best_epoch"] - 1]
    assert best["converged"]
    assert best["val_loss"] == min(
        e["val_loss"] for e in trained.record["epochs"] if e["converged"]
    )


def test_each_example_is_read_once_an_epoch_in_another_order(trained):
    batches = Batches(trained.files["train"], trained.transform, 128, shuffle_seed=1)
    endless = batches.endless().as_numpy_iterator()
    epochs = [
        np.concatenate([next(endless)["income"] for _ in range(batches.steps)]) for _ in range(2)
    ]
    assert len(epochs[0]) == batches.size == 2500
    np.testing.assert_array_equal(np.sort(epochs[0]), np.sort(epochs[1]))
    assert (epochs[0] != epochs[1]).any()


def test_the_same_seed_gives_the_same_order(trained):
    orders = [
        np.concatenate(
            [
                b["income"].numpy()
                for b in read_batches(trained.files["train"], trained.transform, 128, 1, epoch=3)
            ]
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*orders)


def test_an_epoch_has_its_order_whatever_was_read_before(trained):
    batches = Batches(trained.files["train"], trained.transform, 1000, shuffle_seed=1)
    third = np.concatenate([b["income"].numpy() for b in batches.epoch(2)])
    endless = list(batches.endless().take(9).as_numpy_iterator())[6:]
    np.testing.assert_array_equal(third, np.concatenate([b["income"] for b in endless]))


def test_examples_that_do_not_fit_into_memory_come_in_the_same_batches(trained):
    kept, parsed = (
        Batches(trained.files["train"], trained.transform, 300, shuffle_seed=1, cache_mb=limit)
        for limit in (1, 0)
    )
    assert (kept.is_kept, parsed.is_kept) == (True, False)
    for a, b in zip(kept.epoch(1), parsed.epoch(1), strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, a, b)


def test_mean_labels_leave_masked_examples_out(trained):
    batches = Batches(trained.files["train"], trained.transform, 128)
    rows = [tf.train.Example.FromString(e).features.feature for e in trained.examples[:2500]]
    likes = [
        r["label_like"].float_list.value[0] for r in rows if r["weight_like"].float_list.value[0]
    ]
    means = batches.mean_labels(trained.config.tasks)
    np.testing.assert_allclose(means["like"], np.mean(likes), rtol=1e-6)


def test_masked_labels_do_not_move_the_loss(trained):
    batch = next(iter(read_batches(trained.files["eval"], trained.transform, 64)))
    before = trained.ranker.compute_loss(batch)
    masked = batch["weight_like"] == 0
    flipped = dict(batch, label_like=tf.where(masked, 1 - batch["label_like"], batch["label_like"]))
    assert bool(tf.reduce_any(masked))
    np.testing.assert_allclose(before, trained.ranker.compute_loss(flipped))


def test_heads_start_at_the_base_rates(trained):
    means = {"click": 0.25, "like": 0.0, "watch": 2.5}
    ranker = trained.ranker
    kept, ranker.label_means = ranker.label_means, means
    weights = ranker.get_weights()
    ranker.set_output_biases()
    bias = ranker.heads.bias.numpy().ravel()
    ranker.label_means = kept
    ranker.set_weights(weights)
    np.testing.assert_allclose(1 / (1 + np.exp(-bias[0])), 0.25, rtol=1e-5)
    assert -10 < bias[1] < -9, "no positives: a small rate, not minus infinity"
    assert bias[2] == 2.5
