"""All that is known before the first row is read: files, columns, and what they become.

Whatever can be told from names, headers and Parquet footers is checked here, so a run
that cannot succeed ends before it has begun.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa

from transforms.adapters.base import Adapter, LogFile, Role, require
from transforms.adapters.registry import find_logs
from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.ingest.csv_files import read_header
from transforms.ingest.fields import (
    EVENT,
    ROW,
    SOURCE,
    Field,
    Fields,
    event_column,
    feedback_fields,
    impression_fields,
)
from transforms.ingest.history.keys import KeySet, key_sets
from transforms.ingest.history.state import HistoryFile, open_history
from transforms.ingest.parquet_files import open_parquet

_THREADS = 16


class Inspected(NamedTuple):
    """A file and what its head or footer says.

    Attributes:
        log: the file.
        columns: name -> type; text for CSV.
        row_groups: how many parts it can be read in; 0 for CSV, which is one part.
    """

    log: LogFile
    columns: dict[str, pa.DataType]
    row_groups: int


class Part(NamedTuple):
    """A piece of work: a file, by its place in the plan, or one row group of it."""

    source: int
    row_group: int | None


class IngestPlan(NamedTuple):
    """What the workers need to know.

    Attributes:
        config: logs, features and tasks.
        adapter: of the logs.
        files: sorted by relative path; a file's place is its `source` number.
        fields: role -> what is read from its rows.
        history: of an earlier ingestion, to start from.
    """

    config: DataConfig
    adapter: Adapter
    files: tuple[Inspected, ...]
    fields: dict[Role, Fields]
    history: HistoryFile | None = None

    @property
    def has_position(self) -> bool:
        """Whether any file has positions."""
        return any("position" in file.columns for file in self.files)

    @property
    def sources(self) -> tuple[str, ...]:
        """The files' relative paths, by their numbers."""
        return tuple(file.log.relative for file in self.files)

    @property
    def key_sets(self) -> tuple[KeySet, ...]:
        """The histories by their keys."""
        return key_sets(self.config)

    @property
    def history_tasks(self) -> tuple[str, ...]:
        """The tasks whose labels some history needs, in alphabetical order."""
        return tuple(sorted({task for key_set in self.key_sets for task in key_set.tasks}))

    def wanted(self, role: Role) -> frozenset[str]:
        """The columns that the fields of a role need."""
        return frozenset(field.column for field in self.fields[role])

    def schema(self, role: Role) -> pa.Schema:
        """The schema of checked rows on their way to their partition."""
        columns = {field.name: field.cast.type for field in self.fields[role]}
        for event in self.adapter.events if role == "impressions" else ():
            del columns[event_column(event)]
        if role == "feedback":
            columns[EVENT] = pa.int32()
        return pa.schema({**columns, SOURCE: pa.int32(), ROW: pa.int64()})

    def parts(self) -> list[Part]:
        """All pieces of work."""
        parts = []
        for source, file in enumerate(self.files):
            groups: Iterable[int | None] = (
                range(file.row_groups) if file.log.dialect is None else [None]
            )
            parts += [Part(source, group) for group in groups]
        return parts


def make_plan(config: DataConfig, logs: str, history: str | None = None) -> IngestPlan:
    """Looks at a folder of logs, and at the history of an earlier ingestion.

    Raises:
        InputError: if files are missing or unreadable, or a column that the config names
            is in no file, or has a type that cannot become what it must.
        ConfigError: if a feature's name is taken.
    """
    adapter = find_logs(config.logs, logs)
    with ThreadPoolExecutor(_THREADS) as threads:
        files = tuple(threads.map(_inspect, sorted(adapter.logs, key=lambda log: log.relative)))
    fields: dict[Role, Fields] = {
        "impressions": impression_fields(config, adapter.unit, adapter.events),
        "feedback": feedback_fields(adapter.unit),
    }
    sets = key_sets(config)
    start = open_history(history, sets) if history is not None and sets else None
    plan = IngestPlan(config, adapter, files, fields, start)
    _check_columns(plan)
    _check_feedback(plan, logs)
    return plan


def _inspect(log: LogFile) -> Inspected:
    if log.dialect is not None:
        try:
            names = read_header(log.path, log.dialect)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{log.path}: cannot be read: {str(error)[:200]}") from None
        return Inspected(log, dict.fromkeys(names, pa.string()), 0)
    with open_parquet(log.path) as file:
        schema = file.schema_arrow
        if len(set(schema.names)) < len(schema.names):
            raise InputError(f"{log.path}: must have each column once. Received: {schema.names}")
        return Inspected(log, {f.name: f.type for f in schema}, file.metadata.num_row_groups)


def _check_columns(plan: IngestPlan) -> None:
    offered: frozenset[str] = frozenset()
    for file in plan.files:
        fields = plan.fields[file.log.role]
        if file.log.role == "impressions":
            offered |= plan.adapter.offers(file.log.path, frozenset(file.columns))
        else:
            require(file.log.path, file.columns, (f.column for f in fields if f.required))
        for field in fields:
            _check_type(file, field)
    for field in plan.fields["impressions"]:
        if field.use and field.column not in offered:
            raise InputError(
                f"{field.use}: the logs must have the column `{field.column}`. Columns there "
                f"are {sorted(offered)}"
            )


def _check_type(file: Inspected, field: Field) -> None:
    type_ = file.columns.get(field.column)
    if type_ is not None and not field.cast.accepts(type_):
        use = f" for {field.use}" if field.use else ""
        raise InputError(
            f"{file.log.path}: `{field.column}`{use} {field.cast.rule}. Received: type {type_}"
        )


def _check_feedback(plan: IngestPlan, logs: str) -> None:
    has_feedback = bool(plan.adapter.events) or any(f.log.role == "feedback" for f in plan.files)
    needed = [name for name, task in plan.config.tasks.items() if not task.label.may_be_absent]
    if needed and not has_feedback:
        raise InputError(
            f"{logs}: there must be a file or a folder whose name begins with `feedback`, "
            f"because the labels of {needed} are made of events"
        )
