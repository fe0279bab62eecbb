"""One trial in a process of its own: `python -m trainer.tuning.trial JOB`.

JOB is a file with a `trainer.tuning.job.TrialJob` as JSON. With `--tied` the process ends when
its standard input does, as when the one that searches dies.
"""

import logging
import math
import sys
import time
from pathlib import Path
from typing import Any

from trainer.strategies.member import TIED, tie
from trainer.tuning.job import TrialJob
from trainer.tuning.objective import measure
from trainer.tuning.result import RESULT_FILE, TrialResult, write_json
from transforms.errors import DivergedError, GaterankError


def main() -> None:
    """Trains, and writes the result; an error that the user can mend is one message."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    job = TrialJob.model_validate_json(Path(sys.argv[1]).read_text())
    if TIED in sys.argv[2:]:
        tie()
    try:
        result = run_trial(job)
        write_json(Path(job.folder) / RESULT_FILE, result)
    except GaterankError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def run_trial(job: TrialJob) -> TrialResult:
    """Trains one ranker and measures it at the epoch whose weights would be kept.

    A trial that was interrupted goes on from its last checkpoint.

    Args:
        job: what is trained, and how it is judged.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    from trainer.checkpoints.folder import CheckpointFolder, remove_finished
    from trainer.train import train

    tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    tf.config.threading.set_inter_op_parallelism_threads(job.threads)
    options, place = job.config.training.checkpoint, Path(job.folder) / "checkpoints"
    checkpoints = CheckpointFolder(place, "trial", options.keep) if options else None
    began = time.monotonic()
    try:
        _, record = train(
            job.config,
            tft.TFTransformOutput(job.transform_dir),
            job.train_files,
            job.eval_files,
            Path(job.folder),
            checkpoints=checkpoints,
        )
        result = judge(job, record)
    except DivergedError as error:
        result = TrialResult(state="diverged", message=str(error))
    if checkpoints is not None:
        checkpoints.finish()
        remove_finished(place)
    return result.model_copy(update={"seconds": round(time.monotonic() - began, 1)})


def judge(job: TrialJob, record: dict[str, Any]) -> TrialResult:
    """What became of a trial, by the record of its training.

    Args:
        job: how it is judged.
        record: of `trainer.train.train`.
    """
    best = record["epochs"][record["best_epoch"] - 1]
    facts = {
        "converged": bool(best["converged"]),
        "epochs": len(record["epochs"]),
        "best_epoch": record["best_epoch"],
    }
    figures = {name: value for name, value in best.items() if name.startswith("val_")}
    objective, qualities = measure(job.config.tasks, figures, job.labels, job.weights)
    if not all(map(math.isfinite, (objective, *figures.values()))):
        return TrialResult(state="diverged", message="the validation is no number", **facts)
    facts |= {"objective": objective, "qualities": qualities, "figures": figures}
    if job.must_converge and job.config.gate.can_be_binary and not best["converged"]:
        return TrialResult(state="discarded", message="the gate is not binary", **facts)
    return TrialResult(state="completed", **facts)


if __name__ == "__main__":
    main()
