"""One search: keras-tuner's tuner, whose trials are processes of this machine."""

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial as KerasTrial
from keras_tuner.engine.trial import TrialStatus

from trainer.tuning.job import STUDY_FILE, Study, TrialJob
from trainer.tuning.labels import measure_labels
from trainer.tuning.objective import LabelFacts, judged
from trainer.tuning.oracle import OBJECTIVE, ORACLES
from trainer.tuning.paths import apply_values, decode
from trainer.tuning.processes import TrialProcesses
from trainer.tuning.result import (
    RESULT_FILE,
    Trial,
    TrialResult,
    find_best,
    read_result,
    write_json,
)
from trainer.tuning.space import make_space, task_weights
from transforms.errors import ClusterError, GaterankError
from transforms.folders import make_folder

_MAX_FAILURES = 3
Watch = Callable[[list[Trial], Trial], None]


class RankerTuner(BaseTuner):
    """Searches for the candidate or for the baseline.

    keras-tuner's distributed mode is not used: its chief waits for a worker that died, without
    end, and what a trial says does not get through it.

    Args:
        study: what is searched, and where the trials are kept; those of an earlier, interrupted
            search of the same are not run again.
        watch: is told all trials, and the one that has just ended.

    Raises:
        InputError: if the folder holds trials of another configuration, examples or code.
    """

    def __init__(self, study: Study, watch: Watch | None = None) -> None:
        self.study, self._watch = study, watch
        folder = Path(study.folder)
        make_folder(folder)
        study.check_same(folder / STUDY_FILE)
        write_json(folder / STUDY_FILE, study.identity())
        self._config = study.trial_config()
        space = make_space(study.config, study.tuning, study.role)
        oracle = ORACLES[study.tuning.search](
            self._config, space, study.tuning.trials, study.tuning.seed
        )
        # It prints that it goes on.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        self._processes, self._labels = TrialProcesses(), dict[str, LabelFacts]()
        self._weights = task_weights(study.config, study.tuning)
        self._lock, self._failures = threading.Lock(), 0

    def trials(self) -> list[Trial]:
        """All trials that have begun, in their order."""
        return [
            Trial(
                number=int(trial.trial_id),
                values=_decoded(trial),
                result=read_result(self.oracle.trial_folder(trial.trial_id)),
            )
            for trial in sorted(self.oracle.trials.values(), key=lambda t: int(t.trial_id))
        ]

    def search(self, *_: Any, **__: Any) -> None:
        """Runs the trials that have not ended yet, some at a time.

        Raises:
            ClusterError: if the processes of several trials in a row fail.
            GaterankError: if no trial counts.
        """
        study = self.study
        self._labels = measure_labels(study.eval_files, study.transform_dir, study.config.tasks)
        judged(self._labels, self._weights)
        workers = min(study.tuning.workers, study.tuning.trials)
        with ThreadPoolExecutor(workers) as pool, self._ending_processes():
            slots = [pool.submit(self._work, f"slot{i}") for i in range(workers)]
            for slot in as_completed(slots):
                slot.result()
        self._check_best()

    @contextlib.contextmanager
    def _ending_processes(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._processes.end()

    def _work(self, slot: str) -> None:
        """Runs one trial after the other."""
        while not self._processes.ended:
            trial = self.oracle.create_trial(slot)
            if trial.status == TrialStatus.STOPPED:
                return
            result = self.run_trial(trial)
            if result is None:
                return
            self._end(trial, result)

    def run_trial(self, trial: KerasTrial, *_: Any, **__: Any) -> TrialResult | None:
        """What becomes of a trial; None if the search was ended meanwhile.

        One that had ended when the search was killed, before the oracle knew, is not run again.
        """
        folder = self.oracle.trial_folder(trial.trial_id)
        return read_result(folder) or self._processes.run(self._make_job(trial, folder))

    def _make_job(self, trial: KerasTrial, folder: Path) -> TrialJob:
        study, tuning = self.study, self.study.tuning
        return TrialJob(
            config=apply_values(self._config, _decoded(trial)),
            transform_dir=study.transform_dir,
            train_files=study.train_files,
            eval_files=study.eval_files,
            labels=self._labels,
            weights=self._weights,
            must_converge=tuning.must_converge,
            threads=max(1, len(os.sched_getaffinity(0)) // tuning.workers),
            folder=str(folder),
        )

    def _end(self, trial: KerasTrial, result: TrialResult) -> None:
        """Tells the oracle, and whoever watches."""
        with self._lock:
            if result.state == "completed":
                self.oracle.update_trial(trial.trial_id, {OBJECTIVE: result.objective})
                trial.status = TrialStatus.COMPLETED
            else:
                # keras-tuner's word for what is not to be chosen.
                trial.status, trial.message = TrialStatus.FAILED, result.message
                folder = self.oracle.trial_folder(trial.trial_id)
                write_json(folder / RESULT_FILE, result)
            self.oracle.end_trial(trial)
            self._failures = self._failures + 1 if result.state == "failed" else 0
            trials = self.trials()
            if self._watch is not None:
                self._watch(trials, trials[int(trial.trial_id)])
            if self._failures >= _MAX_FAILURES:
                raise ClusterError(
                    f"tuning: {_MAX_FAILURES} trials in a row failed. The last, "
                    f"{self.oracle.trial_folder(trial.trial_id)}: {result.message}"
                )

    def _check_best(self) -> None:
        trials = self.trials()
        if find_best(trials) is not None:
            return
        states = sorted({trial.result.state for trial in trials if trial.result})
        raise GaterankError(
            f"tuning: no trial of the {self.study.role} counts: all are {' or '.join(states)}. "
            "Gates that are not binary in time need more epochs, a larger entropy weight or "
            "`gate.beta_steps`. See " + self.study.folder
        )

    def search_space_summary(self, extended: bool = False) -> None:
        """Prints nothing, as TFX asks for it: the YAML has the space."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints nothing: `watch` is told each trial."""

    def save(self) -> None:
        """Does nothing: the oracle saves itself, and the tuner has no state."""

    def reload(self) -> None:
        """Goes on with the trials that are there."""
        self.oracle.reload()

    def _get_tuner_fname(self) -> str:
        """By which keras-tuner knows that there is something to go on with."""
        return str(self.oracle._get_oracle_fname())


def _decoded(trial: KerasTrial) -> dict[str, Any]:
    return {path: decode(value) for path, value in trial.hyperparameters.values.items()}
