"""Writes refused rows as CSV files that can be put beside the logs once they are repaired.

A file of repaired rows stands at the same place as the log from which they come, so it is of
the same role and of the same day. The broken rows may stay where they are: they are refused
again, and what is repaired is a row that was not there before.
"""

from collections.abc import Container
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import InputError, write_error
from transforms.folders import make_folder
from transforms.ingest.dead_letters.reasons import BLOCKS, Reason
from transforms.ingest.repairing.fetch import Fetched, fetch_rows
from transforms.ingest.rows.arrays import to_flags
from transforms.listing import list_files

NOT_MENDABLE = BLOCKS | {Reason.ROW_TOO_LONG, Reason.REPEATED_HEADER}
"""Reasons of what is no row, or not held whole."""

_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".csv.zst")


class Exported(NamedTuple):
    """What was written.

    Attributes:
        files: relative path -> rows.
        left_out: letters that cannot be repaired here: blocks, headers, endless rows.
    """

    files: dict[str, int]
    left_out: int


def export_rows(letters: pa.Table, logs: str, out: Path, separator: str = "|") -> Exported:
    """Writes the rows of dead letters, whole, as they stand in the logs.

    Args:
        letters: see `read_dead_letters`.
        logs: the folder from which they were ingested.
        out: a new or empty folder; gets `<path of the log>_repaired.csv`.
        separator: between the words of a list that comes from Parquet.

    Raises:
        InputError: if a log is not there any more or is another, or `out` holds something.
        DiskFullError: if there is no room.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: must be a new or empty folder")
    codes = pa.array([reason.value for reason in NOT_MENDABLE], pa.string())
    mendable = ~to_flags(pc.is_in(letters["reason"], value_set=codes))
    rows = letters.filter(pa.array(mendable))
    logs_by_name, files = list_files(logs), dict[str, int]()
    for source in pc.unique(rows["source"]).to_pylist():
        if source not in logs_by_name:
            raise InputError(f"{logs}: must hold {source}, from which rows were refused")
        wanted = np.unique(rows.filter(pc.equal(rows["source"], source))["row"].to_numpy())
        fetched = fetch_rows(logs_by_name[source], wanted, separator)
        missing = sorted(set(wanted.tolist()) - set(fetched.lines))
        if missing:
            raise InputError(
                f"{logs_by_name[source]}: must be as it was ingested; it has no row {missing[0]}"
            )
        name = _free_name(repaired_name(source), files)
        _write_file(out / name, fetched)
        files[name] = len(fetched.lines)
    return Exported(files, int((~mendable).sum()))


def repaired_name(source: str) -> str:
    """Where the repaired rows of a log stand.

    Example:
        >>> repaired_name("impressions/2026-01-05/part-00000.csv.gz")
        'impressions/2026-01-05/part-00000_repaired.csv'
    """
    path = PurePosixPath(source)
    suffix = max((s for s in _SUFFIXES if path.name.lower().endswith(s)), key=len, default="")
    if not suffix:
        raise InputError(f"{source}: rows can be exported of {', '.join(_SUFFIXES)} files only")
    return str(path.with_name(f"{path.name[: -len(suffix)]}_repaired.csv"))


def _free_name(name: str, taken: Container[str]) -> str:
    """The name itself, unless another log, such as `a.csv` beside `a.parquet`, has it."""
    stem, number, free = name.removesuffix(".csv"), 1, name
    while free in taken:
        number += 1
        free = f"{stem}_{number}.csv"
    return free


def _write_file(path: Path, fetched: Fetched) -> None:
    make_folder(path.parent)
    lines = [fetched.header, *(fetched.lines[row] for row in sorted(fetched.lines)), b""]
    try:
        path.write_bytes(b"\n".join(lines))
    except OSError as error:
        raise write_error(path, error) from None
