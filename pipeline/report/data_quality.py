"""What became of the log rows: counts that balance, dead letters, labels, missing values."""

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.ingest.counting.counts import IngestCounts
from transforms.ingest.dead_letters.reasons import Reason


@dataclass(frozen=True)
class Part:
    """A named part of a whole: how many, which share of it, and what it means."""

    name: str
    count: int
    share: float
    note: str = ""


@dataclass(frozen=True)
class Balance:
    """One log: rows read, and what became of them.

    Attributes:
        name: of the log.
        read: rows.
        parts: what became of them.
        unaccounted: rows read that are in no part; 0 if the counts balance.
    """

    name: str
    read: int
    parts: list[Part]
    unaccounted: int


@dataclass(frozen=True)
class DataQuality:
    """The section's content; every part may be empty.

    Attributes:
        balances: of the two logs.
        splits: examples.
        dead_letters: by reason.
        missing: by feature, the worst first.
        events: feedback by event.
    """

    balances: list[Balance]
    splits: list[Part]
    dead_letters: list[Part]
    missing: list[Part]
    events: list[Part]


def data_quality(counts: IngestCounts) -> DataQuality:
    """Prepares the counts of an ingestion.

    Args:
        counts: of the ingestion.
    """
    logs = {"impressions": counts.impressions, "feedback": counts.feedback}
    examples = sum(counts.splits.values())
    notes = {reason.value: reason.sentence for reason in Reason}
    return DataQuality(
        balances=[_balance(name, dict(log)) for name, log in logs.items()],
        splits=_parts(counts.splits, examples),
        dead_letters=_parts(counts.dead_letters, sum(counts.dead_letters.values()), notes),
        missing=[part for part in _parts(counts.missing, examples) if part.count],
        events=_parts(counts.events, sum(counts.events.values())),
    )


def _balance(name: str, log: dict[str, int]) -> Balance:
    read = log.pop("read")
    parts = [Part(n.replace("_", " "), c, c / read if read else 0.0) for n, c in log.items()]
    return Balance(name, read, parts, read - sum(log.values()))


def _parts(
    counts: Mapping[str, int], total: int, notes: Mapping[str, str] | None = None
) -> list[Part]:
    """The largest first."""
    return [
        Part(name, count, count / total if total else 0.0, (notes or {}).get(name, ""))
        for name, count in sorted(counts.items(), key=lambda item: -item[1])
    ]
