"""How many examples to score at once: as many as take a while, and fit into memory."""

_FIRST, _LEAST, _MOST = 256, 32, 16_384


class BatchSize:
    """A number of examples that follows the time that batches take.

    A batch that takes less than half of the time doubles it, one that takes more than twice the
    time halves it: a small model gets large batches, and a large one batches that still fit.

    Args:
        seconds: that a batch should take.

    Attributes:
        rows: of the next batch.

    Example:
        >>> size = BatchSize(seconds=0.2)
        >>> size.rows, size.took(0.01), size.rows
        (256, None, 512)
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.rows = _FIRST

    def took(self, seconds: float) -> None:
        """Tells what the last whole batch took."""
        if seconds < self._seconds / 2:
            self.rows = min(2 * self.rows, _MOST)
        elif seconds > 2 * self._seconds:
            self.rows = max(self.rows // 2, _LEAST)
