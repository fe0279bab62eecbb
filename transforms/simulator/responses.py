"""What users do with an item they see: the numbers of the simulated world."""

from datetime import timedelta
from typing import NamedTuple

from transforms.tasks import TaskKind

FACTORS = ("A", "B", "C", "D")

WATCH_NOISE = 0.8
SURVEY_NOISE = 1.0
LONG_WATCH_SECONDS = 40.0
SURVEY_ANSWERED = 0.35
"""Share of impressions whose user answers the survey, for a user of average experience."""


class Response(NamedTuple):
    """One feedback event.

    Attributes:
        group: of the tasks made from it.
        bias: location of an average item shown first.
        weights: of the factors A, B, C, D; 0 where the response does not need the factor.
        position_bias: how much of the location a unit of log(position) takes away.
        evening: amplitude of the daily wave, which peaks at 21 h.
        device: added on phone, tablet, desktop, tv.
        window: in which tasks must count the event.
        mean_delay: of feedback that arrives inside the window.
        loss: share that never arrives.
        late: share of the rest that arrives after the window.
    """

    group: str
    bias: float
    weights: tuple[float, float, float, float]
    position_bias: float
    evening: float
    device: tuple[float, float, float, float]
    window: timedelta
    mean_delay: timedelta
    loss: float
    late: float

    @property
    def kept(self) -> float:
        """Probability that the event arrives inside its window."""
        return (1.0 - self.loss) * (1.0 - self.late)


def _engages(
    bias: float,
    weights: tuple[float, float, float, float],
    position_bias: float,
    evening: float,
    mean_delay: timedelta,
    loss: float,
) -> Response:
    device = (0.1, 0.0, -0.2, 0.2)
    hour = timedelta(hours=1)
    return Response(
        "engagement", bias, weights, position_bias, evening, device, hour, mean_delay, loss, 0.005
    )


def _satisfies(
    bias: float,
    weights: tuple[float, float, float, float],
    position_bias: float,
    window: timedelta,
    mean_delay: timedelta,
    loss: float,
    late: float,
) -> Response:
    device = (0.1, 0.1, -0.1, -0.2)
    return Response(
        "satisfaction", bias, weights, position_bias, 0.0, device, window, mean_delay, loss, late
    )


_SECONDS, _MINUTES, _HOURS = timedelta(seconds=15), timedelta(minutes=5), timedelta(hours=8)
_DAY = timedelta(days=1)

RESPONSES: dict[str, Response] = {
    "click": _engages(-0.5, (1.3, 1.0, 0, 0), 0.45, 0.3, _SECONDS, 0.02),
    "bad_click": _engages(-0.9, (0.5, -1.6, 0, 0), 0.0, 0.0, _SECONDS, 0.02),
    "watch_seconds": _engages(3.1, (0.4, 0.8, 0, 0), 0.15, 0.1, _MINUTES, 0.03),
    "like": _satisfies(-1.8, (0, 0, 1.3, 0.9), 0.15, _DAY, _MINUTES, 0.03, 0.01),
    "share": _satisfies(-2.7, (0, 0.8, 0, 1.3), 0.15, _DAY, _HOURS, 0.05, 0.03),
    "hide": _satisfies(-3.4, (0, 0, -1.3, -1.0), 0.1, _DAY, _MINUTES, 0.02, 0.01),
    "survey": _satisfies(3.2, (0, 0, 0.9, 0.6), 0.0, 2 * _DAY, _HOURS, 0.05, 0.05),
}
"""Feedback event -> how it comes about. `bad_click` is the step after a click."""


class SimulatedTask(NamedTuple):
    """A task whose best prediction is known.

    Attributes:
        kind: as in the YAML.
        events: the responses behind the label; the last one is the label's event.
    """

    kind: TaskKind
    events: tuple[str, ...]

    @property
    def response(self) -> Response:
        """The response of the label's own event."""
        return RESPONSES[self.events[-1]]

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that the best prediction depends on."""
        weights = [RESPONSES[event].weights for event in self.events]
        return tuple(f for i, f in enumerate(FACTORS) if any(w[i] for w in weights))


TASKS: dict[str, SimulatedTask] = {
    "click": SimulatedTask("classification", ("click",)),
    "bad_click": SimulatedTask("classification", ("click", "bad_click")),
    "long_watch": SimulatedTask("classification", ("watch_seconds",)),
    "watch_seconds": SimulatedTask("regression", ("watch_seconds",)),
    "like": SimulatedTask("classification", ("like",)),
    "share": SimulatedTask("classification", ("share",)),
    "hide": SimulatedTask("classification", ("hide",)),
    "survey": SimulatedTask("regression", ("survey",)),
}
