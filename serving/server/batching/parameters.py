"""How requests are batched: TensorFlow Serving's parameters, with its defaults."""

import os
from dataclasses import dataclass, field

from transforms.errors import ConfigError

_DEFAULT_SIZE = 1000


@dataclass(frozen=True, slots=True)
class BatchingParameters:
    """The parameters of a batching file; sizes count rows, the first axis of the inputs.

    Attributes:
        max_batch_size: rows of a request, and of a batch if requests are not split.
        batch_timeout_micros: how long the first request of a batch waits for others; 0 for
            only as long as no thread is free.
        max_enqueued_batches: of each queue; a request that needs one more is refused.
        num_batch_threads: batches computed at once, over all models.
        allowed_batch_sizes: ascending; a batch is filled up to the next one with rows of
            its own.
        pad_variable_length_inputs: whether requests whose rows differ in size are joined,
            the smaller filled up.
        enable_large_batch_splitting: whether the rows of a request may go into several
            batches.
        max_execution_batch_size: rows of a batch if so; None for `max_batch_size`.

    Raises:
        ConfigError: if a value makes no sense.
    """

    max_batch_size: int = _DEFAULT_SIZE
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1. Received: {getattr(self, name)}")
        if self.batch_timeout_micros < 0:
            raise ConfigError(
                "`batch_timeout_micros` must not be negative. "
                f"Received: {self.batch_timeout_micros}"
            )
        if not 1 <= self.execution_size() <= self.max_batch_size:
            raise ConfigError(
                "`max_execution_batch_size` must be in [1, max_batch_size]. Received: "
                f"{self.max_execution_batch_size}, max_batch_size={self.max_batch_size}"
            )
        self._check_sizes()

    def execution_size(self) -> int:
        """The largest batch, in rows."""
        if not self.enable_large_batch_splitting or self.max_execution_batch_size is None:
            return self.max_batch_size
        return self.max_execution_batch_size

    def padded_size(self, size: int) -> int:
        """The rows that a batch is filled up to.

        Example:
            >>> BatchingParameters(8, allowed_batch_sizes=(2, 8)).padded_size(3)
            8
        """
        return next((allowed for allowed in self.allowed_batch_sizes if allowed >= size), size)

    def _check_sizes(self) -> None:
        sizes = self.allowed_batch_sizes
        if not sizes:
            return
        if sizes[0] < 1 or list(sizes) != sorted(set(sizes)):
            raise ConfigError(f"`allowed_batch_sizes` must ascend from 1 on. Received: {sizes}")
        if sizes[-1] not in (self.max_batch_size, self.execution_size()):
            raise ConfigError(
                "the last of `allowed_batch_sizes` must be `max_batch_size`. "
                f"Received: {sizes[-1]}, max_batch_size={self.max_batch_size}"
            )
