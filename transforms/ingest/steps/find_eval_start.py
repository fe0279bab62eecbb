"""The Beam step that finds where the eval split begins."""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np

from transforms.ingest.joining.splits import Times
from transforms.logs import Split


class FindEvalStartFn(beam.CombineFn):
    """Adds up histograms of the times read and finds the first millisecond of the eval split."""

    def __init__(self, split: Split) -> None:
        super().__init__()
        self._split = split

    def create_accumulator(self) -> Times:
        return Times.of(np.array([], np.int64))

    def add_input(self, accumulator: Times, times: Times) -> Times:
        return accumulator.plus(times)

    def merge_accumulators(self, accumulators: Iterable[Times]) -> Times:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged = merged.plus(accumulator)
        return merged

    def extract_output(self, accumulator: Times) -> int:
        return accumulator.eval_from(self._split)
