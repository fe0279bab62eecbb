"""Brings the spans of a window up to date: ingests those that are new or have changed."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import apache_beam as beam

from transforms.config import DataConfig
from transforms.engine import make_pipeline
from transforms.errors import InputError
from transforms.ingest.counting.checks import check_rows
from transforms.ingest.make_plan import make_plan
from transforms.ingest.pipeline import fill_folder
from transforms.listing import fingerprint_files
from transforms.rolling.inputs import find_spans, has_impressions, newest_complete, span_input
from transforms.rolling.store import SPAN_FILE, Fingerprint, SpanRecord, SpanStore, StoredSpan
from transforms.spans.files import SpanFiles, describe

_LOG = logging.getLogger("gaterank.ingest")


class Rolling(NamedTuple):
    """What every span of a store is made with.

    Attributes:
        config: logs, features and tasks.
        logs: the folder of the logs; a path or a URI.
        store: the ingested spans.
        recipe: see `make_recipe`.
        make_beam_pipeline: gives the pipeline of each ingestion.
    """

    config: DataConfig
    logs: str
    store: SpanStore
    recipe: str
    make_beam_pipeline: Callable[[], beam.Pipeline] = make_pipeline


def roll(rolling: Rolling, span: int | None = None) -> list[StoredSpan]:
    """Brings a window of spans up to date, and the spans before it whose histories it needs.

    A span is ingested if it is new, a file of it has changed, feedback has come to it, the
    span before it was ingested again (with histories), or the recipe is another one.

    Args:
        rolling: what with.
        span: the last one; by default the newest that is complete.

    Returns:
        The newest version of each span of the window, by rising number.

    Raises:
        InputError: if there is no such span, or it cannot be ingested.
        DeadLetterRatioError: if more rows of a span were refused than the config allows.
        DiskFullError: if there is no room.
    """
    config = rolling.config
    spans = find_spans(config, rolling.logs)
    last = newest_complete(config, spans) if span is None else span
    with rolling.store.locked():
        stored = rolling.store.spans()
        known = {n for n, files in spans.items() if has_impressions(files)} | set(stored)
        if last not in known:
            raise InputError(
                f"span: must be in the logs. Received: {describe(last)}, there are "
                f"{describe(min(known))} to {describe(max(known))}"
            )
        assert config.logs.spans is not None
        first = last - config.logs.spans.window + 1
        chain = [n for n in sorted(known) if n <= last and (n >= first or config.history_features)]
        return _walk(rolling, spans, stored, chain, first)


def make_recipe(config: DataConfig, code_version: str) -> str:
    """A digest of all that shapes a span beside its input.

    Args:
        config: logs, features and tasks.
        code_version: of the code.
    """
    document = config.model_dump(mode="json")
    # Where the logs are and how many spans make a window change no span.
    for name in ("path", "dead_letters", "spans"):
        del document["logs"][name]
    text = json.dumps([document, code_version], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _walk(
    rolling: Rolling,
    spans: Mapping[int, SpanFiles],
    stored: Mapping[int, StoredSpan],
    chain: list[int],
    first: int,
) -> list[StoredSpan]:
    """Goes through the spans in the order of time; each may need the state of the one before."""
    before: StoredSpan | None = None
    window = []
    for number in chain:
        there = stored.get(number)
        if number in spans and has_impressions(spans[number]):
            there = _bring_up_to_date(rolling, spans, number, there, before)
        elif there is not None and there.record.recipe != rolling.recipe:
            if number >= first:
                raise InputError(
                    f"{there.folder}: must be of this configuration and code, or be deleted; its "
                    "logs are gone, so it cannot be ingested again"
                )
            there = None
        if there is not None and number >= first:
            window.append(there)
        before = there if rolling.config.history_features else None
    return window


def _bring_up_to_date(
    rolling: Rolling,
    spans: Mapping[int, SpanFiles],
    number: int,
    there: StoredSpan | None,
    before: StoredSpan | None,
) -> StoredSpan:
    source = span_input(rolling.config, spans, number)
    files, borrowed = _fingerprint(source.files), _fingerprint(source.borrowed)
    history = (before.record.span, before.record.version) if before else None
    if there is not None and there.record.is_of(rolling.recipe, files, borrowed, history):
        return there
    version = there.record.version + 1 if there else 1
    if there is not None and there.record.history is not None and before is None:
        _LOG.warning("%s: histories start anew, the span before it is gone", describe(number))
    record = SpanRecord(
        span=number,
        version=version,
        input_version=spans[number].version,
        recipe=rolling.recipe,
        files=files,
        borrowed=borrowed,
        history=history,
    )
    folder = rolling.store.folder_of(number, version)
    state = before.history if before else None
    counts = fill_folder(
        lambda: make_plan(rolling.config, rolling.logs, state, source),
        folder,
        rolling.make_beam_pipeline,
        lambda found: check_rows(found, rolling.config),
        (SPAN_FILE, record.model_dump_json(indent=1).encode()),
    )
    _LOG.info("%s: version %d, %d examples", describe(number), version, counts.impressions.examples)
    return StoredSpan(folder, record)


def _fingerprint(files: Mapping[str, str]) -> Fingerprint:
    return {name: (size, time) for name, (size, time) in fingerprint_files(files).items()}
