"""The `training.checkpoint` section. Imports no TensorFlow."""

from datetime import timedelta

from pydantic import Field

from transforms.section import Duration, Section


class CheckpointOptions(Section):
    """When a training saves its state; a killed one goes on from there.

    Attributes:
        every_epochs: saves after each so many epochs; null for never.
        every_steps: saves after each so many steps of an epoch; null for never.
        every: saves when so much time has passed since it saved last; null for never.
        keep: how many are kept, the newest; if one is broken, the one before is taken.
    """

    every_epochs: int | None = Field(1, ge=1, le=10_000)
    every_steps: int | None = Field(None, ge=1)
    every: Duration | None = timedelta(minutes=10)
    keep: int = Field(2, ge=1, le=100)
