"""One process of a training over several: `python -m trainer.strategies.member JOB`.

JOB is a file with a `trainer.job.TrainJob` as JSON; TF_CONFIG says which process this is.
With `--tied` it ends when its standard input does, as when the process that started it dies.
"""

import logging
import os
import sys
import threading
from pathlib import Path

from trainer.job import TrainJob
from trainer.strategies.local_cluster import ERROR
from transforms.errors import GaterankError

TIED = "--tied"
_ORPHAN_EXIT_CODE = 7


def main() -> None:
    """Does its part; an error that the user can mend is one message."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    job = TrainJob.model_validate_json(Path(sys.argv[1]).read_text())
    if TIED in sys.argv[2:]:
        tie()
    from trainer.run_fn import run_job

    try:
        run_job(job)
    except GaterankError as error:
        sys.stderr.write(f"{ERROR}{error}\n")
        sys.exit(error.exit_code)


def tie() -> None:
    """Lets this process end with the one that started it, which holds the other end of its input.

    The parent does not write, so the input ends only when it closes, at the latest by its death.
    """
    threading.Thread(target=_end_with_input, daemon=True).start()


def _end_with_input() -> None:
    # Not by Python's buffer, whose lock would be in the way when the process ends by itself.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(_ORPHAN_EXIT_CODE)


if __name__ == "__main__":
    main()
