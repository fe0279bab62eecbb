"""Types of arrays, and two things that Arrow leaves to be done by hand."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MAX_FLOAT32 = float(np.finfo(np.float32).max)


def to_flags(mask: pa.Array) -> Flags:
    """An Arrow mask as NumPy flags; null counts as false.

    Example:
        >>> to_flags(pa.array([True, None])).tolist()
        [True, False]
    """
    numpy: Flags = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return numpy.astype(bool)


def join_batches(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Puts batches of one schema one after the other; without any, a batch without rows."""
    if len(batches) == 1:
        return batches[0]
    empty = [pa.array([], field.type) for field in schema]
    columns = zip(empty, *(batch.columns for batch in batches), strict=True)
    return pa.record_batch([pa.concat_arrays(parts) for parts in columns], schema=schema)
