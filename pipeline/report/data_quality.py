"""What became of the log rows: counts that balance, dead letters, labels, missing values."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.report.inputs import IngestCounts
from transforms.ingest.reasons import Reason


@dataclass(frozen=True)
class Share:
    """A named part of a whole."""

    name: str
    count: float
    share: float


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
    parts: list[Share]
    unaccounted: int


@dataclass(frozen=True)
class DataQuality:
    """The section's content; every part may be empty."""

    balances: list[Balance]
    splits: list[Share]
    dead_letters: list[Share]
    missing: list[Share]
    tasks: dict[str, dict[str, float | None]]
    task_columns: list[str]


def data_quality(counts: IngestCounts) -> DataQuality:
    """Prepares the counts of an ingestion.

    Args:
        counts: of the ingestion.
    """
    rows = sum(counts.splits.values()) or 1
    missing = {name: n if n <= 1 else n / rows for name, n in counts.missing.items() if n > 0}
    columns = dict.fromkeys(column for figures in counts.tasks.values() for column in figures)
    return DataQuality(
        balances=[
            _balance(name, log)
            for name, log in (("impressions", counts.impressions), ("feedback", counts.feedback))
            if log
        ],
        splits=_shares(counts.splits),
        dead_letters=_shares(
            {_sentence(reason): n for reason, n in counts.dead_letters.items() if n}
        ),
        missing=[Share(n, s, s) for n, s in sorted(missing.items(), key=lambda item: -item[1])],
        tasks=counts.tasks,
        task_columns=list(columns),
    )


def _balance(name: str, log: Mapping[str, int]) -> Balance:
    parts = {part: count for part, count in log.items() if part != "read"}
    read = log.get("read", sum(parts.values()))
    shares = [Share(part, count, count / read if read else 0.0) for part, count in parts.items()]
    return Balance(name, read, shares, read - sum(parts.values()))


def _shares(counts: Mapping[str, int]) -> list[Share]:
    total = sum(counts.values()) or 1
    return [Share(name, count, count / total) for name, count in counts.items()]


def _sentence(reason: str) -> str:
    known = {one.value: one.sentence for one in Reason}
    return f"{reason}: {known[reason]}" if reason in known else reason
