"""A day of serving, watched from end to end: files in, a document, a page and metrics out."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline.config import RankerConfig
from pipeline.monitoring.columns import UNKNOWN_VERSION, ServedColumns, read_served
from pipeline.monitoring.compared import Served, compare
from pipeline.monitoring.days import WatchedDays, find_days
from pipeline.monitoring.exposition import metrics_text, monitor_registry
from pipeline.monitoring.figures import MonitorFigures, ServedVersion
from pipeline.monitoring.page import render_page
from pipeline.monitoring.quality import live_tasks, quality_alarms
from pipeline.monitoring.served import MODEL_VERSION, ServedLog, read_columns, served_log
from pipeline.monitoring.statistics import read_statistics, write_statistics
from pipeline.monitoring.store import DayFolder, MonitorStore
from pipeline.monitoring.training import TrainingRun, find_training
from pipeline.workspace import Workspace
from transforms.engine import make_pipeline
from transforms.errors import InputError
from transforms.examples import SPLITS
from transforms.ingest.counting.checks import check_rows
from transforms.ingest.counting.counts import IngestCounts
from transforms.ingest.make_plan import make_plan
from transforms.ingest.pipeline import fill_folder
from transforms.ingest.writing.tfrecord import find_shards
from transforms.section import format_time
from transforms.spans.days import date_of

MAX_VERSIONS = 20
"""The versions of a day that are looked at one by one: those that served the most."""


class Watch(NamedTuple):
    """What is watched.

    Attributes:
        requests: folder of the request log of a model; a path or a URI.
        logs: folder of the feedback.
        out: the store of days.
        day: the last day; None for the newest whose labels can be complete.
        complete: whether a day whose labels cannot be complete is refused.
    """

    requests: str
    logs: str
    out: Path
    day: int | None = None
    complete: bool = False


class Day(NamedTuple):
    """What is known of the days before anything is measured."""

    config: RankerConfig
    workspace: Workspace
    served: ServedLog
    days: WatchedDays
    folder: DayFolder
    store: MonitorStore
    now: datetime


def watch(config: RankerConfig, workspace: Workspace, what: Watch) -> MonitorFigures:
    """Watches the days, and writes what it found into the store.

    Args:
        config: the whole YAML.
        workspace: whose runs pushed the versions that served.
        what: is watched.

    Returns:
        What it found, with the alarms.

    Raises:
        NotReadyError: if nothing was served on the day, or its labels wait for feedback.
        InputError: if a folder holds something else.
        DeadLetterRatioError: if more rows were refused than the config allows.
        DiskFullError: if there is no room.
    """
    now = datetime.now(UTC)
    days = find_days(config, what.requests, what.logs, what.day, what.complete)
    served = served_log(config, read_columns(days.source.files))
    store = MonitorStore(what.out)
    with store.locked():
        date = date_of(days.last).isoformat()
        folder = store.day(date)
        folder.begin()
        counts = _ingest(config, served, days, what.requests, folder)
        day = Day(config, workspace, served, days, folder, store, now)
        figures = _measure(day, counts)
        folder.drop_examples()
        history = [day.figures() for _, day in store.before(date)]
        metrics = metrics_text(monitor_registry(figures))
        folder.end(figures, render_page(figures, history, folder.path), metrics)
        store.show(date, metrics)
    return figures


def _ingest(
    config: RankerConfig, served: ServedLog, days: WatchedDays, requests: str, folder: DayFolder
) -> IngestCounts:
    return fill_folder(
        lambda: make_plan(served.data, requests, span=days.source),
        str(folder.ingested),
        partial(make_pipeline, config.beam),
        lambda counts: _check(counts, served, requests),
    )


def _check(counts: IngestCounts, served: ServedLog, requests: str) -> None:
    check_rows(counts, served.data)
    if not counts.impressions.examples:
        raise InputError(
            f"{requests}: a day must have an impression that can be read. Received: "
            f"{counts.impressions.read} rows"
        )


def labels_until(counts: IngestCounts, days: WatchedDays, now: datetime) -> int | None:
    """Up to when all feedback is known, in milliseconds; None without any feedback.

    That is until the latest feedback that there is, for logs are written in the order of time;
    but neither after the last dated folder nor in the future, as clocks that are wrong would say.
    Where there are later folders, all that is read is known.

    Args:
        counts: of the ingestion.
        days: what was read.
        now: the time.
    """
    times = [now.timestamp() * 1000]
    if days.feedback_ends is not None:
        times.append(days.feedback_ends)
    if not days.feedback_goes_on:
        if counts.last_feedback is None:
            return None
        times.append(datetime.fromisoformat(counts.last_feedback).timestamp() * 1000)
    return int(min(times))


def _measure(day: Day, counts: IngestCounts) -> MonitorFigures:
    config, served, days = day.config, day.served, day.days
    files = [path for s in SPLITS for path in find_shards(day.folder.ingested / f"Split-{s}")]
    known_until = labels_until(counts, days, day.now)
    columns = read_served(files, served, known_until or 0)
    versions = dict(Counter(columns.versions.tolist()).most_common(MAX_VERSIONS))
    named = [version for version in versions if version != UNKNOWN_VERSION]
    engine = partial(make_pipeline, config.beam)
    write_statistics(files, MODEL_VERSION, named, day.folder.statistics, engine)
    statistics = Served(*read_statistics(day.folder.statistics, MODEL_VERSION))
    training = find_training(day.workspace, config.name, named)
    earlier = day.store.before(date_of(days.first).isoformat())
    previous = (
        (earlier[-1][0], read_statistics(earlier[-1][1].statistics, MODEL_VERSION)[0])
        if earlier
        else None
    )
    compared = compare(config, served, statistics, training, previous)
    evaluations = {name: run.figures for name, run in training.items() if run.figures}
    tasks = live_tasks(columns, list(versions), config, served.unlabelled, evaluations)
    return MonitorFigures(
        ranker=config.name,
        created=day.now.isoformat(timespec="seconds"),
        first_day=date_of(days.first).isoformat(),
        last_day=date_of(days.last).isoformat(),
        previous_day=previous[0] if previous else None,
        labels_until=None if known_until is None else format_time(known_until),
        counts=counts,
        versions=_versions(versions, training),
        new_columns=served.new,
        distances=tuple(compared.distances),
        tasks=tuple(tasks),
        alarms=(*compared.alarms, *quality_alarms(tasks)),
        notes=(*compared.notes, *_notes(served, columns, versions)),
    )


def _versions(
    versions: Mapping[str, int], training: Mapping[str, TrainingRun]
) -> dict[str, ServedVersion]:
    found = {}
    for name, impressions in versions.items():
        run = training.get(name)
        report = str(run.report) if run and run.report else None
        found[name] = ServedVersion(
            impressions=impressions, run_id=run.run_id if run else None, report=report
        )
    return found


def _notes(served: ServedLog, columns: ServedColumns, versions: Mapping[str, int]) -> list[str]:
    notes = [f"Feature {name}: no file of the request log has it." for name in served.missing]
    notes += [
        f"Task {name}: its predictions were not logged."
        for name in served.data.tasks
        if name not in served.predicted
    ]
    notes += [
        f"Task {name}: no live metrics, for {why}." for name, why in served.unlabelled.items()
    ]
    others = len(columns.versions) - sum(versions.values())
    if others:
        notes.append(f"{others:,} impressions of further versions are looked at together only.")
    return notes
