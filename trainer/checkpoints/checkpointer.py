"""When a training saves its state, and where it goes on after an interruption."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from pydantic import ValidationError

from trainer.checkpoints.file import BrokenCheckpointError, CheckpointFile, reading
from trainer.checkpoints.folder import CheckpointFolder
from trainer.checkpoints.options import CheckpointOptions
from trainer.checkpoints.progress import Figures, Position, Progress
from trainer.checkpoints.state import TrainingState
from trainer.preemption import Preemption, heeding_sigterm
from trainer.strategies.agreement import Agreement
from trainer.strategies.distribution import Distribution
from transforms.errors import InputError, PreemptedError

_LOG = logging.getLogger("gaterank.train")


class Checkpointer:
    """Saves a training's state when its options ask for it and when SIGTERM comes.

    Loops ask it between any two steps, in every process that steps; only the chief writes.

    Args:
        state: of the training.
        place: this process among those that train.
        options: when to save.
        folder: where the checkpoints are; None for a training that has none.
        preemption: whether SIGTERM came.

    Attributes:
        progress: where the training goes on.
        settle: waits until all steps that were begun are done, where they may not be.
    """

    def __init__(
        self,
        state: TrainingState,
        place: Distribution,
        options: CheckpointOptions,
        folder: CheckpointFolder | None,
        preemption: Preemption,
    ) -> None:
        self._state = state
        self._place = place
        self._options = options
        self._folder = folder
        self._preemption = preemption
        self._agreement = Agreement(place)
        self._began = self._saved = time.monotonic()
        self._saved_at: Position | None = None
        self.settle: Callable[[], None] = lambda: None
        self.progress = Progress(training=folder.training if folder else "", epoch=0, step=0)

    @property
    def seconds(self) -> float:
        """That the training has taken, with what came before interruptions."""
        return self.progress.seconds + time.monotonic() - self._began

    def after_step(self, position: Position, figures: Figures | None = None) -> None:
        """Saves if it is time to, and leaves if SIGTERM came.

        Args:
            position: of the training.
            figures: of an epoch whose steps are all done. It may be asked again then, between
                the steps of the validation.

        Raises:
            PreemptedError: once the state is saved.
        """
        if self._folder is None:
            return
        every = self._options.every_steps
        is_due = every is not None and position.step % every == 0 and position != self._saved_at
        self._decide(position, is_due, figures)

    def after_epoch(self, epoch: int, is_over: bool) -> None:
        """The same after an epoch with its validation; saves in any case if it was the last."""
        if self._folder is None:
            return
        every = self._options.every_epochs
        is_due = is_over or (every is not None and (epoch + 1) % every == 0)
        self._decide(Position(epoch + 1), is_due, is_over=is_over)

    def _decide(
        self,
        position: Position,
        is_due: bool,
        figures: Figures | None = None,
        is_over: bool = False,
    ) -> None:
        pause = self._options.every
        is_late = pause is not None and time.monotonic() - self._saved >= pause.total_seconds()
        leaves, saves = self._agreement.decide(self._preemption.is_asked, is_late)
        if leaves or saves or is_due:
            self._save(position, figures, is_over)
        if leaves:
            self._place.add_up([0.0])  # nobody ends before the chief has written
            raise PreemptedError(
                f"training: SIGTERM came. The checkpoint of {position} is saved, and the same "
                f"command goes on from it: {self._path_of(position)}"
            )

    def _save(self, position: Position, figures: Figures | None, is_over: bool) -> None:
        self.settle()
        self._state.watch.check_weights(position)
        changes = {
            "epoch": position.epoch,
            "step": position.step,
            "figures": figures,
            "is_over": is_over,
            "seconds": self.seconds,
        }
        progress = self._state.snapshot(self.progress.model_copy(update=changes))
        if self._place.is_chief and self._folder is not None:
            document = progress.model_dump_json().encode()
            self._folder.write(position, document, self._state.arrays())
        else:
            deque(self._state.arrays(), maxlen=0)  # some are added up over the processes
        self._saved, self._saved_at = time.monotonic(), position

    def restore(self) -> None:
        """Goes on from the newest checkpoint that is whole, if there is one; the chief chooses."""
        found = self._find() if self._place.is_chief else None
        if self._place.in_step > 1:
            voice = [1.0, *found] if found is not None else [0.0, 0.0, 0.0]
            is_there, *numbers = (round(value) for value in self._place.add_up(voice))
            if is_there and found is None:
                found = Position(*numbers)
        if found is not None:
            # Not before all know: variables of the union are made by all processes together.
            self.progress = self._read(found, self._state.restore)
            self._began = self._saved = time.monotonic()
            self._saved_at = found
            resumed = (*self.progress.resumed, tuple(found))
            self.progress = self.progress.model_copy(update={"resumed": resumed})
            _LOG.info("goes on from %s", found)

    def _find(self) -> Position | None:
        """The newest checkpoint that is whole; those that are not are removed."""
        if self._folder is None:
            return None
        for position in self._folder.positions():
            try:
                self._read(position, self._state.check)
            except BrokenCheckpointError as error:
                _LOG.warning("%s; it is removed, and the one before it taken", error)
                self._folder.remove(position)
            else:
                return position
        return None

    def _read(
        self, position: Position, take: Callable[[CheckpointFile, Progress], None]
    ) -> Progress:
        assert self._folder is not None
        path = self._folder.file(position)
        with reading(path, self._state.num_bytes) as file:
            progress = _parse(file.document(), str(path))
            if progress.training != self._folder.training:
                raise InputError(
                    f"{path}: must be a checkpoint of this training, {self._folder.training}. "
                    f"Received: one of {progress.training:.64}"
                )
            take(file, progress)
        return progress

    def tell_last(self) -> str:
        """Where the newest checkpoint is, as a sentence."""
        positions = self._folder.positions() if self._folder else []
        if not positions:
            return "There is no checkpoint"
        return f"The checkpoint of {positions[0]} is kept: {self._path_of(positions[0])}"

    def _path_of(self, position: Position) -> str:
        return str(self._folder.file(position)) if self._folder else ""


def _parse(document: bytes, path: str) -> Progress:
    try:
        return Progress.model_validate_json(document)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"]
        raise BrokenCheckpointError(f"{path}: is no whole checkpoint: {problem}") from None


@contextmanager
def checkpointing(
    state: TrainingState,
    place: Distribution,
    options: CheckpointOptions | None,
    folder: CheckpointFolder | None,
) -> Iterator[Checkpointer]:
    """A checkpointer, to whose state an interrupted training has been restored.

    Args:
        state: of the training, as it begins.
        place: this process among those that train.
        options: when to save; None for never.
        folder: where to; None for nowhere.

    Raises:
        InputError: if another process trains the same, or a checkpoint is of another training.
    """
    if options is None or folder is None:
        yield Checkpointer(state, place, CheckpointOptions(), None, Preemption())
        return
    with ExitStack() as stack:
        if place.is_chief:
            stack.enter_context(folder.held())
        preemption = stack.enter_context(heeding_sigterm())
        checkpointer = Checkpointer(state, place, options, folder, preemption)
        with place.strategy.scope():
            checkpointer.restore()
        yield checkpointer
