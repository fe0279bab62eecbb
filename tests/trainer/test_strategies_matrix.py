"""Every strategy ends with the weights of one device: real processes, real logical devices.

Each process trains every case of `strategy_runs`; its 20 steps end with a smaller batch.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import strategy_runs
import tensorflow as tf
from conftest import NUM_TRAIN
from strategy_runs import CASES, WARM, make_config, open_batches

from trainer.model.ranker import Ranker
from trainer.strategies.local_cluster import run_local_cluster
from trainer.strategies.options import parse_strategy
from trainer.train import make_ready
from trainer.warm_start.bundle import BASE_FILE
from trainer.warm_start.start import save_base, start_from

pytestmark = pytest.mark.slow

# Name -> the processes that train, and the section of the cluster that it needs.
STRATEGIES = {
    "one_device": (1, {"kind": "multi_worker", "workers": 1}),
    "mirrored-2": (1, {"kind": "multi_worker", "workers": 1}),
    "mirrored-4": (1, {"kind": "multi_worker", "workers": 1}),
    "multi_worker": (2, {"kind": "multi_worker", "workers": 2}),
    "parameter_server-1": (1, {"kind": "parameter_server", "workers": 1}),
    "parameter_server-2": (1, {"kind": "parameter_server", "workers": 2}),
}
IN_STEP = (
    "mirrored-2",
    pytest.param("mirrored-4", marks=pytest.mark.long),
    "multi_worker",
)
Cell = dict[str, np.ndarray]
Cells = Callable[[str, str], list[Cell]]


@pytest.fixture(scope="module")
def cells(transformed) -> Cells:
    """Strategy and case -> what each process that trains has ended with; runs a strategy once."""
    save_base(start_of(WARM, transformed, seed=7), open_batches(WARM, transformed)[0], transformed)
    script = Path(strategy_runs.__file__)
    paths = os.pathsep.join([str(script.parents[2]), str(script.parent)])

    def run(name: str, case: str) -> list[Cell]:
        processes, section = STRATEGIES[name]
        files = [transformed / f"{name}-{i}-{case}.npz" for i in range(processes)]
        if not all(file.exists() for file in files):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PYTHONPATH", paths)
                command = [sys.executable, str(script), str(transformed), name]
                run_local_cluster(command, parse_strategy(section), transformed / "logs" / name)
        return [dict(np.load(file)) for file in files]

    return run


def start_of(case: str, folder: Path, seed: int) -> Ranker:
    """The ranker before its first step."""
    config = make_config(case)
    transform, batches = open_batches(case, folder)
    assert batches.steps == 20
    tf.keras.utils.set_random_seed(seed)
    return make_ready(config, transform, batches, batches.mean_labels(config.tasks))


def largest_difference(one: Cell, other: Cell) -> float:
    """Over all weights: trained ones, the gate's state, the step of convergence.

    Relative where they are large: a state counts what all examples gave an expert.
    """
    weights = [name for name in one if name.startswith("weight")]
    assert weights == [name for name in other if name.startswith("weight")]
    return max(
        (np.abs(one[name].astype(float) - other[name]) / np.maximum(1.0, np.abs(one[name]))).max()
        for name in weights
        if one[name].size
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", [*IN_STEP, "parameter_server-1"])
def test_the_weights_are_those_of_one_device(cells, name, case):
    (one,) = cells("one_device", case)
    assert max(largest_difference(one, process) for process in cells(name, case)) < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_move_the_weights_by_far_more_than_that(cells, case, transformed):
    (one,) = cells("one_device", case)
    start = start_of(case, transformed, make_config(case).training.seed)
    if case == WARM:
        start_from(start, open_batches(case, transformed)[0], transformed / BASE_FILE)
    moved = [
        np.abs(one[f"weight {i:02}"] - weight.numpy()).max()
        for i, weight in enumerate(start.weights)
        if any(weight is trained for trained in start.trainable_variables)
    ]
    assert min(moved) > 1e-4 and max(moved) > 1e-2


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", [*IN_STEP, "parameter_server-1"])
def test_losses_and_metrics_are_of_all_examples(cells, name, case):
    (one,) = cells("one_device", case)
    for process in cells(name, case):
        for figure in [key for key in one if key.startswith(("figure", "metric"))]:
            np.testing.assert_allclose(process[figure], one[figure], rtol=1e-5, err_msg=figure)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", IN_STEP)
def test_each_example_is_read_once_an_epoch(cells, name, case):
    (one,) = cells("one_device", case)
    read = np.concatenate([process["income"] for process in cells(name, case)])
    assert len(read) == NUM_TRAIN
    np.testing.assert_array_equal(np.sort(read), np.sort(one["income"]))


@pytest.mark.parametrize("name", IN_STEP)
def test_all_replicas_narrow_to_the_union_at_the_step_of_one_device(cells, name):
    (one,) = cells("one_device", "static")
    assert 0 < one["narrowed"] < 20
    assert {int(process["narrowed"]) for process in cells(name, "static")} == {int(one["narrowed"])}


@pytest.mark.parametrize("case", CASES)
def test_only_the_chief_writes(cells, case):
    assert [bool(process["wrote"]) for process in cells("multi_worker", case)] == [True, False]


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_two_workers_of_parameter_servers_come_to_the_same_loss(cells, case):
    (one,), (two,) = (cells(name, case) for name in ("one_device", "parameter_server-2"))
    np.testing.assert_allclose(two["figure val_loss"], one["figure val_loss"], rtol=0.03)
