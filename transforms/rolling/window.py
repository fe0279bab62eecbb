"""A window: the newest version of each of the last spans, as one set of examples."""

import contextlib
import json
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.examples import SPLITS
from transforms.ingest.counting.counts import COUNTS_FILE, IngestCounts
from transforms.ingest.counting.merge import as_one_split, merge_counts
from transforms.ingest.dead_letters.files import DEAD_LETTERS, DEAD_LETTERS_NAME
from transforms.ingest.history.state import HISTORY_FILE
from transforms.ingest.plan import IngestOutputs
from transforms.ingest.writing.tfrecord import SHARDS
from transforms.listing import list_files, list_folders
from transforms.rolling.store import SpanStore, StoredSpan
from transforms.storage import copy_file, is_file, is_uri, write_whole

SPANS_FILE = "spans.json"


def stored_window(
    config: DataConfig, store: SpanStore, span: int | None = None
) -> list[StoredSpan]:
    """The window that ends with a span, of what is in the store, whether up to date or not.

    Args:
        config: says how many spans.
        store: the ingested spans.
        span: the last one; by default the newest.
    """
    assert config.logs.spans is not None
    there = store.spans()
    last = max(there, default=0) if span is None else span
    first = last - config.logs.spans.window + 1
    return [one for number, one in there.items() if first <= number <= last]


def window_files(config: DataConfig, window: Sequence[StoredSpan]) -> dict[str, list[Path]]:
    """Split -> the shards of all spans of a local store, by rising span.

    By time, the last spans are the eval split, each as a whole.
    """
    files = _window_files(config, window)
    return {split: [Path(path) for path in paths] for split, paths in files.items()}


def window_counts(config: DataConfig, window: Sequence[StoredSpan]) -> IngestCounts:
    """What became of the rows of all spans."""
    parts = []
    for one in window:
        split = _split_of(config, window, one)
        parts.append(as_one_split(one.counts(), split) if split else one.counts())
    return merge_counts(parts)


def assemble(config: DataConfig, window: Sequence[StoredSpan], outputs: IngestOutputs) -> None:
    """Puts the files of a window where one ingestion would have written them.

    Shards are linked where the file system can, so a window costs no room.

    Args:
        config: logs, features and tasks.
        window: at least one span.
        outputs: the folders to fill.
    """
    files = _window_files(config, window)
    for split, folder in zip(SPLITS, (outputs.train, outputs.eval), strict=True):
        for path in files[split]:
            _put(path, folder)
    report = outputs.dead_letters
    for one in window:
        for path in _find_files(one.dead_letters, f"{DEAD_LETTERS_NAME}*.parquet"):
            _put(path, report)
    if is_file(window[-1].history):
        copy_file(window[-1].history, f"{report}/{HISTORY_FILE}")
    _write(f"{report}/{SPANS_FILE}", json.dumps(describe_window(window), indent=1))
    _write(f"{report}/{COUNTS_FILE}", window_counts(config, window).model_dump_json(indent=2))


def describe_window(window: Sequence[StoredSpan]) -> list[dict[str, Any]]:
    """Date, number and version of each span, for the report and the lineage."""
    return [
        {
            "date": one.date,
            "span": one.record.span,
            "version": one.record.version,
            "input_version": one.record.input_version,
        }
        for one in window
    ]


def require_examples(window: Sequence[StoredSpan]) -> None:
    """Refuses a window whose last span is empty: its model would be the day before's again.

    Raises:
        InputError: naming the day.
    """
    last = window[-1]
    if not last.counts().impressions.examples:
        raise InputError(
            f"{last.date}: the last day of a window must have examples. Received: none of "
            f"{last.counts().impressions.read} impressions in {len(last.record.files)} files"
        )


def _split_of(config: DataConfig, window: Sequence[StoredSpan], one: StoredSpan) -> str | None:
    """The split that a span belongs to as a whole, if its place in the window decides that."""
    if config.logs.split.by != "time":
        return None
    return "eval" if one in window[-config.logs.eval_spans :] else "train"


def _window_files(config: DataConfig, window: Sequence[StoredSpan]) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {split: [] for split in SPLITS}
    for one in window:
        for split in SPLITS:
            shards = _find_files(f"{one.folder}/Split-{split}", SHARDS)
            files[_split_of(config, window, one) or split] += shards
    return files


def _find_files(folder: str, pattern: str) -> list[str]:
    """The files of a folder, if there is one, by name."""
    home, _, name = folder.rpartition("/")
    if name not in list_folders(home):
        return []
    return [path for file, path in list_files(folder).items() if fnmatch(file, pattern)]


def _put(path: str, folder: str) -> None:
    """Puts a file of a span into a folder, under a name that no other span's file has."""
    *parts, name = path.split("/")
    marks = [part for part in parts[-3:] if part != DEAD_LETTERS]
    stem, _, rest = name.partition("-")
    target = f"{folder}/{'-'.join([stem, *marks, rest])}"
    if not is_uri(path) and not is_uri(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        # Not of another disk, nor where the file system has no links.
        with contextlib.suppress(OSError):
            os.link(path, target)
            return
    copy_file(path, target)


def _write(path: str, text: str) -> None:
    with write_whole(path) as stream:
        stream.write(text.encode())
