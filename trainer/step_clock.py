"""How long the steps of a training take, without what callbacks do between them."""

import time
from typing import Any

import tensorflow as tf


class StepClock(tf.keras.callbacks.Callback):
    """Base of the callbacks that measure steps.

    Attributes:
        took: seconds of the step that has just ended; for `on_train_batch_end` of a subclass,
            which calls this one's first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.took = self._began = 0.0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks again."""
        self.took = time.perf_counter() - self._began
