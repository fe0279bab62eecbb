"""Makes the plan of an ingestion, before the first row is read.

Whatever can be told from names, headers and Parquet footers is checked here, so a run
that cannot succeed ends before it has begun.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.ingest.adapters.base import LogFile, Role, require
from transforms.ingest.adapters.canonical import CanonicalLogs, as_logs
from transforms.ingest.adapters.registry import find_logs
from transforms.ingest.casting.fields import Field, Fields, feedback_fields, impression_fields
from transforms.ingest.history.keys import key_sets
from transforms.ingest.history.opening import open_history
from transforms.ingest.plan import IngestPlan, Inspected, SpanInput
from transforms.ingest.reading.csv_header import read_header
from transforms.ingest.reading.parquet import open_parquet

_THREADS = 16


def make_plan(
    config: DataConfig, logs: str, history: str | None = None, span: SpanInput | None = None
) -> IngestPlan:
    """Looks at a folder of logs, and at the history of an earlier ingestion.

    Args:
        config: logs, features and tasks.
        logs: the folder.
        history: the file, to start from.
        span: if only the impressions of one span are to be ingested.

    Raises:
        InputError: if files are missing or unreadable, or a column that the config names
            is in no file, or has a type that cannot become what it must.
    """
    adapter = find_logs(config.logs, logs) if span is None else _find_span(config, logs, span)
    with ThreadPoolExecutor(_THREADS) as threads:
        files = tuple(threads.map(_inspect, sorted(adapter.logs, key=lambda log: log.relative)))
    fields: dict[Role, Fields] = {
        "impressions": impression_fields(
            config, adapter.unit, adapter.events, (span.first, span.end) if span else None
        ),
        "feedback": feedback_fields(adapter.unit),
    }
    sets = key_sets(config)
    start = open_history(history, sets) if history is not None and sets else None
    plan = IngestPlan(config, adapter, files, fields, start, span=span)
    _check_columns(plan)
    _check_feedback(plan, logs)
    return plan


def _find_span(config: DataConfig, logs: str, span: SpanInput) -> CanonicalLogs:
    own = CanonicalLogs.find(logs, span.files, config.logs.timestamp_unit)
    borrowed = (log._replace(is_borrowed=True) for log in as_logs(span.borrowed))
    return replace(own, logs=(*own.logs, *borrowed))


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
