"""Geometry of small charts in pixels; `charts.html.j2` draws them as inline SVG.

Colours are classes, so that the page's style sheet themes them; nothing here is random, so
the same figures draw the same bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.report.numbers import short


@dataclass(frozen=True)
class Scale:
    """A linear map from values to pixels.

    Example:
        >>> Scale(0.0, 10.0, 100.0, 200.0)(5.0)
        150.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value, rounded to a tenth."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in pixels."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A polyline: `points` as SVG wants them."""

    css: str
    points: str


@dataclass(frozen=True)
class Dot:
    """A marker, with an error bar from `low` to `high` unless they are equal."""

    css: str
    x: float
    y: float
    low: float
    high: float
    title: str


@dataclass(frozen=True)
class Note:
    """A word in the plot, beside the end of a line."""

    css: str
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Rule:
    """A vertical line across the plot, with a word."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True)
class Plot:
    """A chart of one panel.

    Attributes:
        title: above it; the task's or the measure's name.
        description: the chart in a sentence, for those who cannot see it.
        x_label: of the horizontal axis.
        width: in pixels.
        height: in pixels.
        left: where the panel begins.
        right: where it ends.
        top: where it begins.
        bottom: where it ends.
    """

    title: str
    description: str
    x_label: str
    width: int = 320
    height: int = 174
    left: int = 36
    right: int = 290
    top: int = 22
    bottom: int = 140
    x_ticks: list[Tick] = field(default_factory=list)
    y_ticks: list[Tick] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)

    def x_scale(self, low: float, high: float) -> Scale:
        """Maps [low, high] to the panel's width, and puts ticks there."""
        scale = Scale(low, high, self.left, self.right)
        self.x_ticks.extend(Tick(scale(value), short(value)) for value in nice(low, high))
        return scale

    def y_scale(self, low: float, high: float) -> Scale:
        """Maps [low, high] to the panel's height, and puts ticks there."""
        scale = Scale(low, high, self.bottom, self.top)
        self.y_ticks.extend(Tick(scale(value), short(value)) for value in nice(low, high))
        return scale


def nice(low: float, high: float, at_most: int = 5) -> list[float]:
    """Round numbers inside [low, high].

    Example:
        >>> nice(0.0, 0.23)
        [0.0, 0.05, 0.1, 0.15, 0.2]
    """
    if not high > low:
        return [low]
    rough = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def points(x: Sequence[float], y: Sequence[float]) -> str:
    """Pixels as SVG's `points`.

    Example:
        >>> points([0.0, 1.5], [2.0, 3.25])
        '0,2 1.5,3.25'
    """
    return " ".join(f"{a:g},{b:g}" for a, b in zip(x, y, strict=True))


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves labels apart that would overlap, as little as it takes.

    Args:
        places: wanted pixels, in any order.
        gap: least distance.
        low: smallest pixel allowed.
        high: largest pixel allowed.

    Returns:
        Pixels in the order of `places`.

    Example:
        >>> spread([50.0, 51.0], gap=10.0, low=0.0, high=100.0)
        [50.0, 60.0]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    floor = low
    for i in order:
        moved[i] = max(places[i], floor)
        floor = moved[i] + gap
    ceiling = high
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved
