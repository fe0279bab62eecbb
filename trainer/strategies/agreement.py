"""What the processes of a training decide as one: when to save their state, and to leave."""

import time

from trainer.strategies.distribution import Distribution

# Processes ask each other about once in so long: it costs a step that waits for all.
_SECONDS = 1.0


class Agreement:
    """Lets all processes do the same between the same two steps.

    A process alone decides each time. Of several that step together, all wait until the next
    meeting, whose place they know from the last one: SIGTERM to any of them asks all to leave;
    the clock of the chief says when to save.

    Args:
        place: this process among them.
    """

    def __init__(self, place: Distribution) -> None:
        self._place = place
        self._apart = self._left = 1
        self._met = time.monotonic()

    def decide(self, leaves: bool, saves: bool) -> tuple[bool, bool]:
        """Whether all leave, and whether all save; every process asks equally often.

        Args:
            leaves: whether this process has to.
            saves: whether it would, by its clock.
        """
        if self._place.in_step == 1:
            return leaves, saves
        self._left -= 1
        if self._left:
            return False, False
        voice = float(self._place.is_chief)
        any_leaves, chief_saves, apart = self._place.add_up(
            [float(leaves), voice * saves, voice * self._next_distance()]
        )
        self._apart = self._left = round(apart)
        self._met = time.monotonic()
        return round(any_leaves) > 0, round(chief_saves) > 0

    def _next_distance(self) -> int:
        """How many decisions from this meeting to the next, from how long the last ones took."""
        seconds = max(time.monotonic() - self._met, 1e-6)
        return max(1, min(2 * self._apart, int(self._apart * _SECONDS / seconds)))
