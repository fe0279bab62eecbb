"""Sets aside the header of a text file, also where it comes again further down."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.dead_letters.refusals import Refusal
from transforms.ingest.reading.csv_lines import Lines, text_of
from transforms.ingest.reading.dialect import BYTE_ORDER_MARK, Dialect

_RULE = "the header must stand in the first line only"


def without_headers(blocks: Iterable[Lines], dialect: Dialect) -> Iterator[Lines]:
    """Takes the header out of the rows of a file, and refuses rows that repeat it.

    Args:
        blocks: the rows of the file, from its start.
        dialect: says whether there is a header.
    """
    header: bytes | None = None
    for lines in blocks:
        if not dialect.names and len(lines.numbers) and lines.numbers[0] == 1:
            header = lines.rows[0].as_py().rstrip(b"\r\n")
            lines = lines._replace(rows=lines.rows[1:], numbers=lines.numbers[1:])
        yield lines if header is None else _refuse_repeats(lines, header)


def _refuse_repeats(lines: Lines, header: bytes) -> Lines:
    starts, ends = (b"", BYTE_ORDER_MARK), (b"", b"\n", b"\r\n")
    forms = [start + header + end for start in starts for end in ends]
    sizes = pc.binary_length(lines.rows).to_numpy()
    # Lengths first: they are known without a look at the text.
    alike = np.flatnonzero(np.isin(sizes, [len(form) for form in forms]))
    found = pc.is_in(lines.rows.take(pa.array(alike)), value_set=pa.array(forms, pa.binary()))
    repeats = alike[found.to_numpy(zero_copy_only=False)]
    if not len(repeats):
        return lines
    good = np.ones(len(lines.rows), dtype=bool)
    good[repeats] = False
    refused = (
        Refusal(int(lines.numbers[row]), Reason.REPEATED_HEADER, _RULE, text_of(lines.rows[row]))
        for row in repeats
    )
    return lines._replace(
        rows=lines.rows.filter(pa.array(good)),
        numbers=lines.numbers[good],
        refused=(*lines.refused, *refused),
    )
