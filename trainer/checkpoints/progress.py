"""How far a training is: the document of a checkpoint. Imports no TensorFlow."""

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from transforms.section import Section

Figures = dict[str, bool | int | float]


class Position(NamedTuple):
    """A place between two steps of a training; later ones are greater.

    Attributes:
        epoch: from 0.
        step: how many steps of it are done.
    """

    epoch: int = 0
    step: int = 0

    def __str__(self) -> str:
        """For people, who count from 1.

        Example:
            >>> str(Position(2, 120)), str(Position(2, 0))
            ('epoch 3, step 120', 'epoch 3')
        """
        return f"epoch {self.epoch + 1}" + (f", step {self.step}" if self.step else "")


START = Position()


class StopState(Section):
    """What `trainer.progress.StopAtBest` knows, but for the best weights.

    Attributes:
        epochs: the figures of each.
        best_epoch: from 1; 0 if there is none yet.
        best: whether its gate was not binary, and its validation loss.
    """

    epochs: tuple[Figures, ...] = ()
    best_epoch: int = Field(0, ge=0)
    best: tuple[bool, float] | None = None


class TrajectoryState(Section):
    """What `trainer.progress.GateTrajectory` knows, but for the weights it has recorded.

    Attributes:
        steps: at which they were.
        step: how many are done.
        stride: steps from one record to the next.
    """

    steps: tuple[int, ...] = ()
    step: int = Field(0, ge=0)
    stride: int = Field(1, ge=1)


class UnionState(Section):
    """What `trainer.union_training.TrainUnion` knows.

    Attributes:
        step: after which training was narrowed; null if it was not.
        experts: that are left, of each level.
        done: how many steps are done.
        steps: that `seconds` counts, before and after.
        seconds: of these steps.
    """

    step: int | None = None
    experts: tuple[tuple[int, ...], ...] = ()
    done: int = Field(0, ge=0)
    steps: tuple[int, int] = (0, 0)
    seconds: tuple[float, float] = (0.0, 0.0)


class Progress(Section):
    """How far a training is.

    Attributes:
        version: of this format.
        training: its fingerprint.
        epoch: that the next step is of, from 0.
        step: how many steps of the epoch are done.
        figures: of the epoch's steps, if all are done and only its validation is missing.
        is_over: whether there is nothing left to train.
        seconds: that it has taken so far.
        resumed: the positions from which it went on after an interruption.
        stop: of early stopping.
        trajectory: of the gate's record.
        union: of conditional training.
    """

    version: Literal[1] = 1
    training: str
    epoch: int = Field(ge=0)
    step: int = Field(ge=0)
    figures: Figures | None = None
    is_over: bool = False
    seconds: float = Field(0.0, ge=0.0)
    resumed: tuple[tuple[int, int], ...] = ()
    stop: StopState = StopState()
    trajectory: TrajectoryState = TrajectoryState()
    union: UnionState = UnionState()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.stop.best_epoch > len(self.stop.epochs):
            raise ValueError("`best_epoch` must be one of `epochs`")
        return self

    @property
    def position(self) -> Position:
        """Where the training goes on."""
        return Position(self.epoch, self.step)
