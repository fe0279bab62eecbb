"""The Beam step that adds up what the other steps counted."""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection
from apache_beam.typehints.decorators import no_annotations

from transforms.ingest.counting.counts import COUNTS_FILE, IngestCounts, check_balance, make_counts
from transforms.ingest.counting.tally import Tally
from transforms.ingest.plan import IngestPlan
from transforms.ingest.steps.merge import MergeFn
from transforms.storage import write_whole


class WriteCounts(beam.PTransform[Any, Any]):
    """Adds up the tallies, asserts that they balance, and writes `counts.json`.

    Args:
        plan: of the ingestion.
        folder: where to.
    """

    def __init__(self, plan: IngestPlan, folder: str) -> None:
        super().__init__()
        self._plan = plan
        self._folder = folder

    @no_annotations
    def expand(self, tallies: tuple[PCollection[Any], ...]) -> PCollection[Any]:
        counts: PCollection[Any] = (
            tallies
            | "Flatten" >> beam.Flatten()
            | "AddUp" >> beam.CombineGlobally(MergeFn(Tally))
            | "Write" >> beam.ParDo(WriteCountsFn(self._plan, self._folder))
        )
        return counts


class WriteCountsFn(beam.DoFn):
    """Writes the one tally as `counts.json` and gives the counts."""

    def __init__(self, plan: IngestPlan, folder: str) -> None:
        self._plan = plan
        self._folder = folder

    def process(self, tally: Tally) -> Iterator[IngestCounts]:
        counts = make_counts(tally, self._plan.config)
        check_balance(counts)
        with write_whole(f"{self._folder}/{COUNTS_FILE}") as stream:
            stream.write(counts.model_dump_json(indent=2).encode())
        yield counts


def count_in_beam(tally: Tally) -> None:
    """Adds a tally's outcomes to Beam's own counters, which engines show while they run."""
    for key, amount in tally.totals.items():
        if key[0] in ("impressions", "feedback", "dead_letters", "splits"):
            Metrics.counter("gaterank.ingest", "_".join(key)).inc(int(amount))
