"""The ways to tf.Examples that are held against each other, each as a command."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.ingest.logs import FileFormat, write_config

Command = Callable[[Path, Path, int], list[str]]

JOIN, ENCODE = "logs to shards", "record batches to tf.Examples, in memory"
HISTORY = "history features, in memory"
READING = "reading alone"


class Way(NamedTuple):
    """A way.

    Attributes:
        name: in the table.
        group: of ways that do about the same work; the first of a group is ours.
        command: gives the arguments of Python for a folder of logs, an empty folder to write
            to, and the number of impressions.
        file_format: of the logs that it reads.
        is_slow: takes minutes a million rows.
        needs: a package that it needs and that is not in the lock.
    """

    name: str
    group: str
    command: Command
    file_format: FileFormat = "parquet"
    is_slow: bool = False
    needs: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is not a rival."""
        return self.name.startswith("gaterank")

    @property
    def is_here(self) -> bool:
        """Whether its packages are installed."""
        return self.needs is None or find_spec(self.needs) is not None


def _gaterank(gzip_level: int) -> Command:
    def command(logs: Path, out: Path, rows: int) -> list[str]:
        config = str(write_config(logs, rows, gzip_level))
        verb = ["-m", "pipeline.cli.main", "ingest", config]
        return [*verb, "--logs", str(logs), "--out", str(out / "examples")]

    return command


def _program(name: str, *more: str) -> Command:
    module = f"{__package__}.{name}"
    return lambda logs, out, rows: ["-m", module, str(logs), str(out), *more]


def _encoder(name: str) -> Command:
    module = f"{__package__}.encoders"
    return lambda logs, out, rows: ["-m", module, str(logs), name]


def _histories(features: str, what: str) -> list[Way]:
    module, group = f"{__package__}.histories", f"{HISTORY}: {what}"

    def command(way: str) -> Command:
        return lambda logs, out, rows: ["-m", module, way, features, str(rows)]

    return [
        Way(f"gaterank's histories, {features}", group, command("ours")),
        Way(f"a loop over rows, {features}", group, command("loop"), is_slow=True),
        Way(READING, group, command("none")),
    ]


def _levels(gzip_level: int) -> list[Way]:
    files, level = ("gzip" if gzip_level else "plain"), str(gzip_level)
    group = f"{JOIN}, {files} files"
    return [
        Way(f"gaterank ingest, {files}", group, _gaterank(gzip_level)),
        Way(f"gaterank ingest of CSV, {files}", group, _gaterank(gzip_level), "csv"),
        Way(
            f"CsvExampleGen, no join, {files}",
            group,
            _program("csv_example_gen", level),
            "csv",
            is_slow=True,
        ),
        Way(f"naive Beam join, {files}", group, _program("naive_join", level), is_slow=True),
        Way(f"DuckDB join, {files}", group, _program("duckdb_join", level), needs="duckdb"),
    ]


WAYS = (
    *_levels(0),
    *_levels(2),
    Way("gaterank's encoder", ENCODE, _encoder("ours")),
    Way("tfx_bsl's encoder", ENCODE, _encoder("tfx_bsl")),
    Way("tf.train.Example a row", ENCODE, _encoder("protobuf"), is_slow=True),
    Way(READING, ENCODE, _encoder("none")),
    *_histories("rates", "two rates, a count and the hours since"),
    *_histories("sequence", "the last 50 clicked items"),
)
