"""The Beam step that adds up what workers found, whatever it is."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self

import apache_beam as beam


class Mergeable(Protocol):
    """What can take others of its kind in, in any order, with the same result."""

    def merge(self, others: Iterable[Self]) -> Self: ...


class MergeFn(beam.CombineFn):
    """Adds up tallies, or totals.

    Args:
        make: gives an empty one.
    """

    def __init__(self, make: Callable[[], Mergeable]) -> None:
        super().__init__()
        self._make = make

    def create_accumulator(self) -> Any:
        return self._make()

    def add_input(self, accumulator: Any, found: Any) -> Any:
        return accumulator.merge([found])

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        return self._make().merge(accumulators)

    def extract_output(self, accumulator: Any) -> Any:
        return accumulator
