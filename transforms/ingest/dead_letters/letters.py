"""Dead letters read back: all of an ingestion, some of them, how many of each reason."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from transforms.errors import InputError
from transforms.ingest.dead_letters.files import DEAD_LETTER_SCHEMA, DEAD_LETTERS_NAME
from transforms.ingest.dead_letters.reasons import Reason
from transforms.storage import locate

_ORDER = [(name, "ascending") for name in ("kind", "source", "row")]


def read_dead_letters(folder: str) -> pa.Table:
    """Reads the dead letters of an ingestion, by rising (kind, source, row).

    Raises:
        InputError: if there are none of this form, not even an empty file.
    """
    file_system, inner = locate(folder)
    found = file_system.get_file_info(fs.FileSelector(inner, allow_not_found=True))
    paths = [i.path for i in found if i.base_name.startswith(DEAD_LETTERS_NAME)]
    if not paths:
        raise InputError(f"{folder}: must hold the dead letters of an ingestion")
    tables = [_read_file(path, file_system) for path in sorted(paths)]
    return pa.concat_tables(tables).sort_by(_ORDER)


def _read_file(path: str, file_system: fs.FileSystem) -> pa.Table:
    try:
        table = pq.read_table(path, filesystem=file_system)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: must be a Parquet file: {str(error)[:200]}") from None
    if table.schema.names != DEAD_LETTER_SCHEMA.names:
        raise InputError(f"{path}: must hold dead letters. Received: columns {table.schema.names}")
    return table.cast(DEAD_LETTER_SCHEMA)


def of_reasons(letters: pa.Table, reasons: Iterable[Reason]) -> pa.Table:
    """Those of some reasons; of none named, all."""
    codes = [reason.value for reason in reasons]
    if not codes:
        return letters
    return letters.filter(pc.is_in(letters["reason"], value_set=pa.array(codes, pa.string())))


def rows_by_reason(letters: pa.Table) -> dict[Reason, int]:
    """Reason -> how many rows, the most frequent first.

    Example:
        >>> rows_by_reason(DEAD_LETTER_SCHEMA.empty_table())
        {}
    """
    counts = letters.group_by("reason").aggregate([("rows", "sum")]).to_pylist()
    counts.sort(key=lambda count: (-count["rows_sum"], count["reason"]))
    return {Reason(count["reason"]): count["rows_sum"] for count in counts}
