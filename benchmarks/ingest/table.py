"""The figures as markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.ingest.measure import START_ROWS, Measured
from benchmarks.ingest.stages import BEAM, IMPORTS
from benchmarks.ingest.ways import READING


def format_tables(results: Mapping[str, Any], measured: Sequence[Measured]) -> str:
    """All tables and how they were made.

    Args:
        results: of `benchmarks.ingest`, for what is no row of a table.
        measured: the rows.
    """
    lines = [
        "# What ingestion costs",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. Each figure is the "
        f"median of {results['rounds']} rounds. {results['note']}".rstrip(),
        "",
        "CPU seconds are those of the whole process, in user and in system mode. *Start* is the "
        f"same on {START_ROWS:,} impressions: imports, above all. *A million* is without the "
        "start, and *times ours* compares that inside a round. There are 0.6 rows of feedback to "
        "an impression.",
    ]
    for group in dict.fromkeys(row.group for row in measured):
        lines += ["", f"## {group}", "", *_table([r for r in measured if r.group == group])]
    lines += ["", f"Left out: {', '.join(results['left_out'])}."] if results["left_out"] else []
    lines += ["", f"## gaterank ingest by stages, {results['rows']:,} impressions", ""]
    return "\n".join([*lines, *_stages(results["stages"], results["rows"])]) + "\n"


def times_ours(row: Measured, group: Sequence[Measured]) -> float:
    """How many times the CPU of the group's first, ours: the median over rounds.

    What all ways of a group only read is taken off, if it is measured.
    """
    nothing = [0.0] * len(row.rates)
    read = next((other.rates for other in group if other.name == READING), nothing)
    rounds = zip(row.rates, group[0].rates, read, strict=True)
    return median((rate - base) / (ours - base) for rate, ours, base in rounds)


def _table(group: Sequence[Measured]) -> list[str]:
    lines = [
        "| way | impressions | CPU s | start | a million | rows a CPU s | times ours | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in group:
        times = "" if row.name == READING else f"{times_ours(row, group):.2f}"
        lines.append(
            f"| {row.name} | {row.rows:,} | {row.cpu:.2f} | {row.start_cpu:.2f} | "
            f"{median(row.rates):.2f} | {row.rows / row.cpu:,.0f} | {times} | "
            f"{row.peak_mb:,.0f} |"
        )
    return lines


def _stages(stages: Mapping[str, float], rows: int) -> list[str]:
    names = {BEAM: "Beam, and what is in no other stage"}
    lines = ["| stage | CPU s | CPU s a million |", "|---|---|---|"]
    for stage, seconds in sorted(stages.items(), key=lambda item: -item[1]):
        rate = "" if stage == IMPORTS else f"{1e6 * seconds / rows:.2f}"
        lines.append(f"| {names.get(stage, stage)} | {seconds:.2f} | {rate} |")
    return lines
