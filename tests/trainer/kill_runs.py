"""Kills a training -9 at moments that a seed chooses, and lets it come to its end.

Run as a script by `test_kill.py`; what it prints is the log of the kills. Each life is a process
of its own, forked after the imports and before TensorFlow has begun to work.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from resumed_runs import make_config, run

from trainer.checkpoints import file
from trainer.checkpoints.checkpointer import Checkpointer
from trainer.checkpoints.folder import CheckpointFolder
from trainer.checkpoints.progress import Figures, Position
from trainer.config import TrainerConfig


def choose_kinds(kills: int) -> list[str]:
    """When lives are ended: a tenth of them while they start, a third while they write."""
    starting, writing = max(1, kills // 10), max(1, kills // 3)
    return (
        ["starting"] * starting
        + ["writing"] * writing
        + ["training"] * (kills - starting - writing)
    )


def small_config() -> TrainerConfig:
    """Little to trace, for a life to be short; 6 epochs of 40 steps."""
    config = make_config(5, deterministic=True, batch_size=63, max_epochs=6)
    model = config.model.model_copy(update={"tower_units": (), "expert_units": (4,)})
    features = {name: config.features[name] for name in ("age", "category")}
    return config.model_copy(update={"model": model, "features": features})


def live(folder: Path, name: str, report: int | None, slow: bool) -> None:
    """Trains, reports each step, and keeps the weights it ends with."""
    if report is not None:
        _report_steps(report)
    if slow:
        file.np.lib.format.write_array = _slowly(np.lib.format.write_array)
    checkpoints = CheckpointFolder(folder / "killed", "training", 2) if report else None
    ranker, record = run(folder, checkpoints, small_config())
    weights = {f"{i:03}": weight for i, weight in enumerate(ranker.get_weights())}
    epochs = np.array([epoch["epoch"] for epoch in record["epochs"]])
    np.savez(folder / f"{name}.npz", epochs=epochs, resumed=len(record["resumed"]), **weights)


def _report_steps(report: int) -> None:
    after_step = Checkpointer.after_step

    def reporting(self: Checkpointer, position: Position, figures: Figures | None = None) -> None:
        os.write(report, f"{position}\n".encode())
        after_step(self, position, figures)

    Checkpointer.after_step = reporting


def _slowly(write: Callable[..., None]) -> Callable[..., None]:
    def slow(*args: object, **options: object) -> None:
        time.sleep(0.002)
        write(*args, **options)

    return slow


def fork(folder: Path, name: str, report: int | None, slow: bool = False) -> int:
    """The process id of a life."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        live(folder, name, report, slow)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def kill_one(folder: Path, kind: str, rng: random.Random) -> str:
    """Starts a life and ends it; says when that was."""
    reader, report = os.pipe()
    pid = fork(folder, "killed", report, slow=kind == "writing")
    os.close(report)
    when = "at its start"
    with os.fdopen(reader) as lines:
        if kind == "starting":
            time.sleep(rng.uniform(0.0, 1.0))
        else:
            for _ in range(rng.randint(1, 12)):
                when = f"after {lines.readline().strip()}"
            if kind == "writing":
                when = _await_write(folder / "killed" / "training")
            else:
                time.sleep(rng.uniform(0.0, 0.01))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return f"{when}" if os.WIFSIGNALED(status) else "too late"


def _await_write(folder: Path) -> str:
    while not (partial := [*folder.glob(".*.partial")]):
        time.sleep(0.0005)
    return f"in the write of {partial[0].name}"


def main() -> None:
    """Arguments: the folder with the transformed examples, how many kills."""
    folder, kinds, rng = Path(sys.argv[1]), choose_kinds(int(sys.argv[2])), random.Random(1)
    rng.shuffle(kinds)
    for i, kind in enumerate(kinds, start=1):
        sys.stdout.write(f"kill {i}: {kill_one(folder, kind, rng)}\n")
        sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    for name, report in (("killed", null), ("whole", None)):
        _, status = os.waitpid(fork(folder, name, report), 0)
        sys.stdout.write(f"{name}: ended with {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main()
