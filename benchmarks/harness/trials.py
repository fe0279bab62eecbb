"""The trials of an experiment on disk, one line of JSON each: a killed run goes on."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

Trial = dict[str, Any]
Result = dict[str, Any]


class Trials:
    """Results by trial. A trial is a dictionary that says all that its result depends on,
    beside the set-up that `file` belongs to.

    The file may hold more: trials of a search that has since changed. Only those that were
    asked for count.

    Args:
        file: of JSON lines; made if it is not there.

    Example:
        >>> from tempfile import mkdtemp
        >>> trials = Trials(Path(mkdtemp()) / "trials.jsonl")
        >>> trials.run([{"seed": 1}, {"seed": 2}], lambda batch: [{"loss": 0.5} for _ in batch])
        [{'loss': 0.5}, {'loss': 0.5}]
        >>> Trials(trials.file).results
        {'{"seed": 1}': {'loss': 0.5}, '{"seed": 2}': {'loss': 0.5}}
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.results: dict[str, Result] = {}
        self._seconds: dict[str, float] = {}
        self._asked: dict[str, None] = {}  # in the order in which they were asked for
        self._progress: tuple[Progress, TaskID] | None = None
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            self._read()

    def show(self, progress: Progress, title: str, total: int) -> None:
        """Counts trials on a progress bar from now on.

        Args:
            progress: where the bar is.
            title: of the bar.
            total: trials of the whole experiment.
        """
        self._progress = progress, progress.add_task(title, total=total)

    def run(
        self, trials: Sequence[Trial], train: Callable[[Sequence[Trial]], Iterable[Result]]
    ) -> list[Result]:
        """The trials' results; those that are not on disk yet are trained together.

        Args:
            trials: in the order of the results.
            train: the results of the trials that it is given.
        """
        self._asked |= dict.fromkeys(map(_key, trials))
        missing = [trial for trial in trials if _key(trial) not in self.results]
        if missing:
            began = time.monotonic()
            results = list(train(missing))
            seconds = (time.monotonic() - began) / len(missing)
            with self.file.open("a") as lines:
                for trial, result in zip(missing, results, strict=True):
                    self._remember(trial, result, seconds)
                    line = {"trial": trial, "result": result, "seconds": round(seconds, 3)}
                    lines.write(json.dumps(line) + "\n")
        if self._progress is not None:
            progress, bar = self._progress
            progress.advance(bar, len(trials))
        return [self.results[_key(trial)] for trial in trials]

    def result(self, trial: Trial) -> Result:
        """Of a trial that has run."""
        return self.results[_key(trial)]

    def all(self) -> list[dict[str, Any]]:
        """Every trial that was asked for, with its result."""
        return [{"trial": json.loads(key), "result": self.results[key]} for key in self._asked]

    @property
    def seconds(self) -> float:
        """What those took, in a killed run too."""
        return sum(self._seconds[key] for key in self._asked)

    def _read(self) -> None:
        lines = self.file.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):  # killed in the middle of a line
            self.file.write_text("".join(whole))
        for line in whole:
            self._remember(**json.loads(line))

    def _remember(self, trial: Trial, result: Result, seconds: float) -> None:
        self.results[_key(trial)] = result
        self._seconds[_key(trial)] = seconds


def _key(trial: Trial) -> str:
    return json.dumps(trial, sort_keys=True)
