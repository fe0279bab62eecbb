"""The plan that every worker gets: files, columns and what they become, and where to."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.config import DataConfig
from transforms.ingest.adapters.base import Adapter, LogFile, Role
from transforms.ingest.casting.fields import Fields
from transforms.ingest.history.keys import KeySet, key_sets
from transforms.ingest.history.opening import HistoryFile
from transforms.ingest.rows.arrays import Flags
from transforms.ingest.rows.columns import EVENT, ROW, SOURCE, event_column


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


class SpanInput(NamedTuple):
    """What is read for one span.

    Attributes:
        files: of the span: relative path -> path.
        borrowed: feedback of other spans that may belong to its impressions, likewise.
        first: its first millisecond.
        end: the first millisecond after it.
    """

    files: dict[str, str]
    borrowed: dict[str, str]
    first: int
    end: int


class IngestPlan(NamedTuple):
    """What the workers need to know.

    Attributes:
        config: logs, features and tasks.
        adapter: of the logs.
        files: sorted by relative path; a file's place is its `source` number.
        fields: role -> what is read from its rows.
        history: of an earlier ingestion, to start from.
        shuffle: folder of the one machine that all workers run on, where rows wait for their
            partition; None sends them through the engine.
        span: if only the impressions of one span are to be ingested.
        max_rows: of a partition, of requests or of keys, that are worked on at once.
    """

    config: DataConfig
    adapter: Adapter
    files: tuple[Inspected, ...]
    fields: dict[Role, Fields]
    history: HistoryFile | None = None
    shuffle: str | None = None
    span: SpanInput | None = None
    max_rows: int = 1 << 20

    @property
    def has_position(self) -> bool:
        """Whether any file has positions."""
        return any("position" in file.columns for file in self.files)

    @property
    def splits_by_time(self) -> bool:
        """Whether the times decide the split; of a span they do not, but its place in a window."""
        return self.config.logs.split.by == "time" and self.span is None

    @property
    def borrowed(self) -> Flags:
        """Whether a file is borrowed from another span, by its number."""
        return np.array([file.log.is_borrowed for file in self.files], dtype=bool)

    @property
    def sources(self) -> tuple[str, ...]:
        """The files' relative paths, by their numbers."""
        return tuple(file.log.relative for file in self.files)

    @property
    def key_sets(self) -> tuple[KeySet, ...]:
        """The histories by their keys."""
        return key_sets(self.config)

    @property
    def mean_tasks(self) -> tuple[str, ...]:
        """The tasks with a mean in some history, in alphabetical order."""
        return tuple(sorted({task for key_set in self.key_sets for task in key_set.mean_tasks}))

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


class IngestOutputs(NamedTuple):
    """The folders that ingestion fills.

    Attributes:
        train: shards of the train split.
        eval: shards of the eval split.
        dead_letters: refused rows, and `counts.json`, which is written last.
    """

    train: str
    eval: str
    dead_letters: str
