"""The pictures of docs/gates.md show what the gates do."""

import numpy as np

from benchmarks.pictures.gate_toys import make_recovery, make_tasks, train_mixture, train_recovery
from benchmarks.pictures.gates import draw_smooth_step

TOP_K = {"kind": "top_k", "experts_per_task": 2}


def test_the_labels_to_recover_are_a_mix_of_the_chosen_experts():
    recovery = make_recovery(num_experts=6, num_chosen=2)
    found, error, *_ = np.linalg.lstsq(recovery.outputs, recovery.labels, rcond=None)
    assert tuple(np.flatnonzero(found > 1e-3)) == recovery.chosen
    assert float(error.sum()) < 1e-6


def test_a_trajectory_has_every_step_and_the_error_falls():
    recovery = make_recovery(num_experts=6, num_chosen=2)
    short, long = (train_recovery(recovery, TOP_K, 0.03, steps) for steps in (1, 60))
    assert long.weights.shape == (61, 6)
    assert long.loss < short.loss
    assert long.binary_step is None


def test_a_gate_that_decides_says_at_which_step():
    section = {"kind": "dselect_k", "experts_per_task": 2, "entropy_weight": 10.0}
    trajectory = train_recovery(make_recovery(num_experts=6, num_chosen=2), section, 0.1, 60)
    step = trajectory.binary_step
    assert step is not None
    assert (trajectory.weights[step] > 0).sum() <= 2 < (trajectory.weights[step - 1] > 0).sum()


def test_experts_are_trained_with_the_gate():
    data = make_tasks()
    assert data[1].shape == (12_000, 8)
    short, long = (train_mixture(data, TOP_K, 0.01, steps) for steps in (1, 100))
    assert long.error < short.error
    assert ((long.weights > 0).sum(axis=1) == 2).all()


def test_a_picture_is_written(tmp_path):
    draw_smooth_step(tmp_path / "step.png")
    assert (tmp_path / "step.png").read_bytes().startswith(b"\x89PNG")
