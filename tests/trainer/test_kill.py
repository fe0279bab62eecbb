"""kill -9 at some moments: the weights at the end are those of a training that was left alone."""

import os
import subprocess
import sys
from pathlib import Path

import kill_runs
import numpy as np
import pytest
from kill_runs import choose_kinds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kinds(request) -> list[str]:
    return choose_kinds(request.config.getoption("--kills"))


@pytest.fixture(scope="module")
def said(transformed, kinds) -> str:
    """What the script printed, which leaves the weights in the folder."""
    script = Path(kill_runs.__file__)
    paths = os.pathsep.join([str(script.parents[2]), str(script.parent)])
    ended = subprocess.run(
        [sys.executable, str(script), str(transformed), str(len(kinds))],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def test_it_was_killed_at_these_moments_writes_among_them(said, kinds):
    kills = [line for line in said.splitlines() if line.startswith("kill ")]
    assert len(kills) == len(kinds)
    assert not [line for line in kills if line.endswith("too late")], said
    assert sum("in the write of" in line for line in kills) == kinds.count("writing")


def test_the_weights_are_those_of_a_training_that_was_left_alone(said, transformed):
    assert "killed: ended with 0\nwhole: ended with 0" in said
    killed, whole = (dict(np.load(transformed / f"{n}.npz")) for n in ("killed", "whole"))
    assert killed.keys() == whole.keys()
    for name in killed.keys() - {"resumed"}:
        assert killed[name].tobytes() == whole[name].tobytes(), name


def test_each_epoch_is_in_the_record_once(said, transformed, kinds):
    killed = np.load(transformed / "killed.npz")
    assert killed["epochs"].tolist() == [1, 2, 3, 4, 5, 6]
    assert 0 < killed["resumed"] <= len(kinds)
