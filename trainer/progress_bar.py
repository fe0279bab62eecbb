"""A bar for people who wait for a training."""

import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from trainer.step_clock import StepClock
from transforms.durations import format_seconds


class ProgressBar(StepClock):
    """Steps of the epoch, examples a second, and the time left; for a terminal only.

    Args:
        epochs: of the training, at most.
        steps: of an epoch.
        batch_size: examples a step.
    """

    def __init__(self, epochs: int, steps: int, batch_size: int) -> None:
        super().__init__()
        self._epochs, self._steps, self._batch_size = epochs, steps, batch_size
        self._console = Console(stderr=True, highlight=False)
        self._disabled = not sys.stderr.isatty()
        self._epoch, self._done, self._seconds = 0, 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Shows an empty bar."""
        self._epoch = epoch
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            console=self._console,
            transient=True,
            disable=self._disabled,
        )
        name = f"epoch {epoch + 1}/{self._epochs}"
        self._bar = self._progress.add_task(name, total=self._steps, rate="")
        self._progress.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves the bar."""
        super().on_train_batch_end(batch, logs)
        self._seconds += self.took
        self._done += 1
        self._progress.update(self._bar, completed=batch + 1, rate=self._tell(batch + 1))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes the bar away, for the line that the log gets."""
        self._progress.stop()

    def _tell(self, steps_of_epoch: int) -> str:
        rate = self._done / self._seconds
        left = (self._epochs - self._epoch) * self._steps - steps_of_epoch
        speed = f"{rate * self._batch_size:,.0f} examples/s"
        return f"{speed}, {format_seconds(left / rate)} left at most"
