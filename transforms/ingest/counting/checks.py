"""Whether what was ingested can be trained on: the checks after the counting."""

import logging

from transforms.config import DataConfig
from transforms.errors import DeadLetterRatioError, InputError
from transforms.ingest.counting.counts import IngestCounts, check_balance
from transforms.ingest.dead_letters.reasons import Reason
from transforms.tasks import Task

_LOG = logging.getLogger("gaterank.ingest")


def check_counts(counts: IngestCounts, config: DataConfig, every_split: bool = True) -> None:
    """Checks the counts of an ingestion; warns of tasks with nothing to learn.

    Args:
        counts: of the ingestion.
        config: rules.
        every_split: whether each split must have examples, as for training.

    Raises:
        InputError: if more files break off than the config allows, there are no rows, an
            event that a label needs is emitted by nobody, or a split is empty.
        DeadLetterRatioError: if more rows were refused than the config allows.
        AssertionError: if the counts do not balance; a bug, not the user's fault.
    """
    check_rows(counts, config)
    if not counts.impressions.read:
        raise InputError(
            "logs: there must be at least one impression. Received: "
            f"{len(counts.sources)} files without rows {list(counts.sources)[:5]}"
        )
    _check_events(counts, config)
    for split, examples in counts.splits.items():
        if every_split and not examples:
            raise InputError(
                f"logs.split: each split must have at least one example. Received: {split} has "
                f"none of {counts.impressions.examples}"
            )
    for name, task in config.tasks.items():
        _warn_if_degenerate(name, task, counts)


def check_rows(counts: IngestCounts, config: DataConfig) -> None:
    """Checks only that no row is lost and not too many were refused, as of a single span.

    Raises:
        InputError: if more files break off than the config allows.
        DeadLetterRatioError: if more rows were refused than the config allows.
        AssertionError: if the counts do not balance; a bug, not the user's fault.
    """
    check_balance(counts)
    _check_unreadable(counts, config.logs.dead_letters.max_unreadable_files)
    _check_ratio(counts, config.logs.dead_letters.max_ratio)


def _check_unreadable(counts: IngestCounts, max_files: int) -> None:
    if len(counts.unreadable) > max_files:
        raise InputError(
            f"logs.dead_letters.max_unreadable_files: at most {max_files} files may break off. "
            f"Received: {'; '.join(sorted(set(counts.unreadable.values())))}"
        )


def _check_ratio(counts: IngestCounts, max_ratio: float) -> None:
    read = counts.impressions.read + counts.feedback.read
    reasons = {code: n for code, n in counts.dead_letters.items() if Reason(code).counted}
    dead = sum(reasons.values())
    if dead > max_ratio * read:
        worst = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        listed = ", ".join(f"{code} {n}" for code, n in worst)
        raise DeadLetterRatioError(
            f"logs.dead_letters.max_ratio: at most {max_ratio:g} of the rows may be refused. "
            f"Received: {dead / read:.4g}, {dead} of {read} rows: {listed}"
        )


def _check_events(counts: IngestCounts, config: DataConfig) -> None:
    for name, task in config.tasks.items():
        mask = [task.mask.event] if task.mask and task.mask.event else []
        for event in [task.label.event, *mask]:
            if event not in counts.events and not task.label.may_be_absent:
                raise InputError(
                    f"tasks.{name}: somebody must emit the event `{event}` (or set "
                    f"`may_be_absent: true`). Emitted events are {sorted(counts.events)}"
                )


def _warn_if_degenerate(name: str, task: Task, counts: IngestCounts) -> None:
    labels = counts.tasks[name].values()
    examples = sum(label.examples for label in labels)
    positives = sum(label.positives for label in labels)
    if not positives:
        _LOG.warning(
            "tasks.%s: no label of %d is above 0; there is nothing to learn", name, examples
        )
    elif task.kind == "classification" and positives == examples:
        _LOG.warning("tasks.%s: all %d labels are 1; there is nothing to learn", name, examples)
