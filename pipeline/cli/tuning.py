"""The verb that searches for better options: tune."""

import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipeline.cli.options import config_argument, examples_option, span_option
from pipeline.cli.quiet import hush_beam, hushed, load_tensorflow
from pipeline.config import load_config
from pipeline.strict_yaml import read_document
from trainer.config import ROLES, Role
from trainer.tuning.describe import describe_trial
from trainer.tuning.result import Trial, find_best
from transforms.durations import format_seconds
from transforms.errors import ConfigError


@click.command()
@config_argument
@span_option
@examples_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tuning"),
    show_default=True,
    help="Folder for the trials and best.yaml; the same command goes on with it.",
)
def tune(config: Path, examples: Path, out: Path, span: int | None) -> None:
    """Search the options that `tuning` of CONFIG names, and write CONFIG with the best values.

    The candidate and the baseline get the same number of trials; each trial is a process. Trials
    that have ended are kept: after Ctrl-C or a kill the same command goes on with the rest, and
    with more `trials` in CONFIG it adds to them.

    OUT gets best.yaml, which `gaterank run` takes, trials.json, trials.csv and trials.png.
    """
    ranker = load_config(config)
    if ranker.tuning is None:
        raise ConfigError(f"{config}: needs a section `tuning`; docs/tuning.md says how")
    load_tensorflow()
    hush_beam()
    with hushed():
        import keras_tuner  # noqa: F401  (prints as TensorFlow does)

    from pipeline.local_runner import check_span
    from pipeline.tuning.stage import BEST_FILE, tune_stage

    check_span(ranker, span)
    # Lines go where the table of a person or of a pipe goes, the bar to a person only.
    with _Lines(ranker.tuning.trials) as lines:
        try:
            trials = tune_stage(ranker, read_document(config), examples, out, span, lines.tell)
        except KeyboardInterrupt:
            lines.say("interrupted; the same command goes on")
            raise
    for role, its in trials.items():
        best = find_best(its)
        if best is not None:
            click.echo(f"{role}: {describe_trial(best, best)}")
    click.echo(f"best values: {out / BEST_FILE}")


class _Lines:
    """A line a trial on standard error, under them a bar with the time that is left.

    Args:
        trials: of each role.
    """

    def __init__(self, trials: int) -> None:
        self._total = trials * len(ROLES)
        self._done: dict[Role, int] = {}
        self._kept = 0
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True, highlight=False, soft_wrap=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._bar = self._progress.add_task("trials", total=self._total, left="")

    def __enter__(self) -> "_Lines":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        self._progress.console.print(line, markup=False)

    def tell(self, role: Role, trials: list[Trial], ended: Trial | None) -> None:
        """Tells of a trial that has ended, or, before the first, of those that are there."""
        self._done[role] = sum(trial.result is not None for trial in trials)
        done = sum(self._done.values())
        if ended is None:
            self._kept += self._done[role]
            if self._done[role]:
                self.say(f"{role}: {self._done[role]} trials have ended earlier")
            left = ""
        else:
            left = self._time_left(done)
            line = describe_trial(ended, find_best(trials))
            self.say(f"{role} {line}  [{done}/{self._total}{left and ', '}{left}]")
        self._progress.update(self._bar, completed=done, description=role, left=left)

    def _time_left(self, done: int) -> str:
        """By the trials that ran here; those of an earlier run took no time of this one."""
        here = done - self._kept
        if here < 1:
            return ""
        seconds = (time.monotonic() - self._began) / here
        return f"{format_seconds(seconds * (self._total - done))} left"
