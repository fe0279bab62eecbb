"""A workspace: the folder of one ranker's artifacts, metadata, logs and pushed versions."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from pipeline.places import DATABASE, SPANS, Places
from transforms.errors import InputError
from transforms.folders import locked, make_folder

_LIVE = metadata_store_pb2.Artifact.LIVE
_PAGES = "monitor/*/????-??-??/monitor.html"
_SQLITE = b"SQLite format 3\0"


def metadata_connection(database: Path) -> metadata_store_pb2.ConnectionConfig:
    """How ML Metadata opens a workspace's database.

    TFX's own function makes the folder too, which may be one that only a container has.

    Args:
        database: SQLite file, made if it is not there.
    """
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    )
    return config


@dataclass(frozen=True)
class Run:
    """One run of the pipeline, as ML Metadata knows it.

    Attributes:
        run_id: the time at which it started, ISO 8601.
        ranker: the pipeline's name.
        artifacts: type name -> the live artifacts of that type, in order of creation.
        failed: names of components that failed.
        logs: folder of the log files; None if no component got that far.
    """

    run_id: str
    ranker: str
    artifacts: dict[str, list[metadata_store_pb2.Artifact]]
    failed: tuple[str, ...]
    logs: str | None = None

    def uri(self, type_name: str) -> Path | None:
        """The folder of the only artifact of a type, None if the run has none."""
        found = self.artifacts.get(type_name)
        return Path(found[-1].uri) if found else None

    @property
    def blessed(self) -> bool | None:
        """Whether the candidate was blessed; None if the run did not come that far."""
        found = self.artifacts.get("ModelBlessing")
        return bool(found[-1].custom_properties["blessed"].int_value) if found else None

    @property
    def pushed_version(self) -> str | None:
        """The version that was pushed, None if none was."""
        for artifact in self.artifacts.get("PushedModel", []):
            if artifact.custom_properties["pushed"].int_value:
                return str(artifact.custom_properties["pushed_version"].string_value)
        return None

    def document(self, type_name: str, file: str) -> Any:
        """The parsed JSON file of an artifact, None if the run has no such artifact."""
        folder = self.uri(type_name)
        return json.loads((folder / file).read_text()) if folder else None


class Workspace:
    """Reads and locks a workspace.

    Args:
        folder: made on first use.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def places(self, ranker: str, logs: str) -> Places:
        """Where the ranker's pipeline reads and writes."""
        return Places.below(self.folder, ranker, logs)

    def monitored(self, ranker: str) -> Path:
        """The store of the days on which the ranker's serving was watched."""
        return self.folder / "monitor" / ranker

    def monitor_pages(self) -> list[Path]:
        """The page of the newest day of each ranker that was watched."""
        newest = {page.parent.parent: page for page in sorted(self.folder.glob(_PAGES))}
        return list(newest.values())

    def new_log_file(self) -> Path:
        """Where a run that starts now writes its log."""
        folder = self.folder / "logs"
        make_folder(folder)
        return folder / f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"

    @contextmanager
    def locked(self, patience: float = 0.0) -> Iterator[None]:
        """Keeps a second run out of the workspace while the first goes on.

        Args:
            patience: seconds to wait for another run.

        Raises:
            InputError: if another run holds the workspace, or it can be no workspace.
            DiskFullError: if there is no room for it.
        """
        with locked(self.folder, "workspace", patience):
            self._check_database()
            yield

    def _check_database(self) -> None:
        """Refuses a file that ML Metadata could not open; an empty one is as good as none."""
        with suppress(FileNotFoundError), (self.folder / DATABASE).open("rb") as file:
            head = file.read(len(_SQLITE))
            if head and head != _SQLITE:
                raise InputError(f"{file.name}: must be the database of a workspace's runs")

    def runs(self) -> list[Run]:
        """All runs, newest first.

        Raises:
            InputError: if the folder is no workspace.
        """
        store = self._store()
        contexts = store.get_contexts_by_type("pipeline_run")
        return [_read_run(store, c) for c in sorted(contexts, key=lambda c: c.id, reverse=True)]

    def run(self, run_id: str) -> Run:
        """One run.

        Raises:
            InputError: if the folder is no workspace, or has no such run.
        """
        store = self._store()
        context = store.get_context_by_type_and_name("pipeline_run", run_id)
        if context is None:
            raise InputError(f"{self.folder}: must have the run. Received: {run_id!r}")
        return _read_run(store, context)

    def _store(self) -> metadata_store.MetadataStore:
        path = self.folder / DATABASE
        if not path.is_file() or not path.stat().st_size:
            raise InputError(f"{self.folder}: must be a workspace of `gaterank run`")
        self._check_database()
        config = metadata_connection(path)
        config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
        return metadata_store.MetadataStore(config)

    def span_stores(self) -> list[Path]:
        """The store of ingested spans of each ranker that has one."""
        return sorted(path for path in self.folder.glob(f"{SPANS}/*") if path.is_dir())

    def newest(self, type_name: str) -> Run:
        """The newest run that has an artifact of a type.

        Raises:
            InputError: if there is none.
        """
        for run in self.runs():
            if run.uri(type_name):
                return run
        raise InputError(f"{self.folder}: no run has made a {type_name} yet")


def _read_run(store: metadata_store.MetadataStore, context: metadata_store_pb2.Context) -> Run:
    types = {kind.id: kind.name for kind in store.get_artifact_types()}
    artifacts: dict[str, list[metadata_store_pb2.Artifact]] = {}
    for artifact in sorted(store.get_artifacts_by_context(context.id), key=lambda a: a.id):
        if artifact.state == _LIVE:
            artifacts.setdefault(types[artifact.type_id], []).append(artifact)
    executions = store.get_executions_by_context(context.id)
    read_logs = [e for e in executions if "logs" in e.custom_properties]
    failed = [e for e in executions if e.last_known_state == metadata_store_pb2.Execution.FAILED]
    return Run(
        run_id=context.name,
        ranker=_context_of(store, executions[:1], "pipeline"),
        artifacts=artifacts,
        # A node's context is named `<pipeline>.<component>`.
        failed=tuple(_context_of(store, [e], "node").rpartition(".")[2] for e in failed),
        logs=next((e.custom_properties["logs"].string_value for e in read_logs), None),
    )


def _context_of(
    store: metadata_store.MetadataStore,
    executions: Iterable[metadata_store_pb2.Execution],
    kind: str,
) -> str:
    """The name of the context of a kind to which the executions belong."""
    type_id = store.get_context_type(kind).id
    for execution in executions:
        for context in store.get_contexts_by_execution(execution.id):
            if context.type_id == type_id:
                return str(context.name)
    return ""
