"""What to simulate, and the parts in which it is drawn."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple, get_args

from transforms.errors import InputError
from transforms.simulator.catalogue import CANDIDATES
from transforms.simulator.files import FileFormat
from transforms.simulator.world import epoch_day

PART_ROWS = 500_000
"""Impressions a file at most: what is in memory at a time."""

_MAX_IMPRESSIONS = 10**9
_MAX_DAYS = 366
_YEARS = (1970, 2200)


class Plan(NamedTuple):
    """What to simulate; the arguments of `simulate`."""

    impressions: int
    seed: int
    file_format: FileFormat
    days: int
    first_day: date
    broken: float
    drift: float
    churn: float


class Part(NamedTuple):
    """A slot of a day that is drawn at once.

    Attributes:
        day: since the epoch.
        number: in the day, from 0.
        first_request: number of its first request.
        size: impressions.
        slot: share of the day's requests before it, and up to its end.
    """

    day: int
    number: int
    first_request: int
    size: int
    slot: tuple[float, float]


def check_plan(plan: Plan) -> None:
    """Refuses arguments out of their range.

    Raises:
        InputError: naming the argument, its range and the value.
    """
    formats = get_args(FileFormat)
    rules = {
        f"`impressions` must be in [1, {_MAX_IMPRESSIONS}]": (
            1 <= plan.impressions <= _MAX_IMPRESSIONS,
            plan.impressions,
        ),
        "`seed` must be in [0, 2**63)": (0 <= plan.seed < 2**63, plan.seed),
        f"`file_format` must be one of {formats}": (
            plan.file_format in formats,
            plan.file_format,
        ),
        f"`days` must be in [1, {_MAX_DAYS}]": (1 <= plan.days <= _MAX_DAYS, plan.days),
        "`broken` must be in [0, 1]": (0 <= plan.broken <= 1, plan.broken),
        "`broken` must be 0 for Parquet": (
            plan.broken == 0 or plan.file_format == "csv",
            plan.broken,
        ),
        "`drift` must be in [0, 1]": (0 <= plan.drift <= 1, plan.drift),
        "`churn` must be in [0, 1]": (0 <= plan.churn <= 1, plan.churn),
        f"`first_day` must be in the years {_YEARS}": (
            _YEARS[0] <= plan.first_day.year <= _YEARS[1],
            str(plan.first_day),
        ),
    }
    for rule, (holds, value) in rules.items():
        if not holds:
            raise InputError(f"{rule}. Received: {value!r}")


def parts_of(plan: Plan) -> Iterator[Part]:
    """The parts of a plan, day by day."""
    first_request = 0
    for index in range(plan.days):
        size = plan.impressions // plan.days + (index < plan.impressions % plan.days)
        for start in range(0, size, PART_ROWS):
            end = min(start + PART_ROWS, size)
            day = epoch_day(plan.first_day) + index
            slot = (start / size, end / size)
            yield Part(day, start // PART_ROWS, first_request, end - start, slot)
            first_request += -(-(end - start) // CANDIDATES)
