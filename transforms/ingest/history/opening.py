"""Whether a file is a history that ingestion can start from: it may be of anyone."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.errors import InputError
from transforms.history_features import MAX_SEQUENCE
from transforms.ingest.history.keys import KEY, KeySet
from transforms.ingest.history.past import (
    BY,
    KNOWN,
    STEP,
    number_column,
    state_schema,
    words_column,
    words_columns,
)
from transforms.storage import locate

FORMAT = 3
METADATA = b"gaterank"
_MAX_WORD_BYTES = 1000
_BAD_HEAD = (LookupError, TypeError, ValueError, AttributeError)


class HistoryFile(NamedTuple):
    """A history to start from.

    Attributes:
        path: of the file.
        until: the latest impression in it, milliseconds.
    """

    path: str
    until: int


def open_history(path: str, key_sets: Iterable[KeySet]) -> HistoryFile:
    """Looks at a file of an earlier ingestion.

    Raises:
        InputError: if it is no such file, or lacks something that the config needs.
    """
    key_sets = tuple(key_sets)
    try:
        with pq.ParquetFile(open_input(path)) as file:
            schema, metadata = file.schema_arrow, file.metadata.metadata or {}
        head = json.loads(metadata[METADATA])
        if head["format"] != FORMAT:
            raise ValueError(f"it has format {head['format']!r:.20}")
        known = {str(name): dict(content) for name, content in head["by"].items()}
        until = int(head["until"])
    except (OSError, pa.ArrowException, *_BAD_HEAD) as error:
        raise InputError(f"{path}: must be a history of format {FORMAT}: {error!s:.200}") from None
    for key_set in key_sets:
        if key_set.name not in known:
            raise InputError(
                f"{path}: must have the history by {key_set.name!r}. It has {sorted(known)}"
            )
        _check_content(path, key_set, known[key_set.name])
    for field in state_schema(key_sets):
        if field.name not in schema.names or schema.field(field.name).type != field.type:
            raise InputError(f"{path}: must have a column `{field.name}` of type {field.type}")
    return HistoryFile(path, until)


def content_of(key_set: KeySet) -> dict[str, int]:
    """What a history has of a key set: means, words of so many impressions, windows."""
    lengths = {words_column(s.task, c): s.length for s in key_set.streams for c in s.columns}
    means = dict.fromkeys(map(number_column, key_set.mean_tasks), 1)
    return means | lengths | {f"{w.step}ms {w.task or ''}".strip(): 1 for w in key_set.windows}


def _check_content(path: str, key_set: KeySet, there: dict[str, Any]) -> None:
    for name, least in content_of(key_set).items():
        found = there.get(name, 0)
        if not isinstance(found, int) or found < least:
            raise InputError(
                f"{path}: must have `{name}` by {key_set.name!r}, at least {least}. "
                f"Received: {found!r:.50}"
            )


def check_rows(path: str, rows: pa.RecordBatch, key_sets: tuple[KeySet, ...]) -> None:
    """Looks at rows of a history.

    Raises:
        InputError: if they cannot be.
    """
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: must hold text that is UTF-8: {str(error)[:200]}") from None
    for name in (BY, KEY, STEP, KNOWN):
        if rows.column(name).null_count:
            raise InputError(f"{path}: `{name}` must be in every row")
    for field in rows.schema:
        is_float = pa.types.is_floating(field.type)
        if is_float and pc.any(pc.invert(pc.is_finite(rows.column(field.name)))).as_py():
            raise InputError(f"{path}: `{field.name}` must be finite")
    for key_set in key_sets:
        for name in words_columns(key_set):
            _check_words(path, name, rows.column(name))
        for stream in key_set.streams:
            first, *others = (rows.column(words_column(stream.task, c)) for c in stream.columns)
            if any(not first.value_lengths().equals(other.value_lengths()) for other in others):
                raise InputError(f"{path}: the words of an impression must be there together")


def _check_words(path: str, name: str, lists: pa.ListArray) -> None:
    length = pc.max(lists.value_lengths()).as_py() or 0
    size = pc.max(pc.binary_length(lists.flatten())).as_py() or 0
    if length > MAX_SEQUENCE or size > _MAX_WORD_BYTES or lists.flatten().null_count:
        raise InputError(
            f"{path}: `{name}` must have at most {MAX_SEQUENCE} words, each of at most "
            f"{_MAX_WORD_BYTES} bytes. Received: {length} words, {size} bytes"
        )


def open_input(path: str) -> pa.NativeFile:
    """Opens a file for reading; a path or a URI."""
    file_system, inner = locate(path)
    return file_system.open_input_file(inner)
