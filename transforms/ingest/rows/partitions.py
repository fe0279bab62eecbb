"""Which partition a row belongs to."""

import numpy as np
import pyarrow as pa

from transforms.ingest.rows.arrays import Ints
from transforms.ingest.rows.hashing import hash_text

_SALT = "partition:"


def partition_by_request(request_ids: pa.Array, partitions: int) -> Ints:
    """The partition of each request, so that an impression meets its feedback there.

    Example:
        >>> partition_by_request(pa.array(["r1", "r1"]), 4).tolist()
        [1, 1]
    """
    return (hash_text(request_ids, _SALT) % np.uint64(partitions)).astype(np.int64)


def partition_by_key(keys: pa.Array, partitions: int) -> Ints:
    """The partition of each key: all impressions of a key meet there.

    Example:
        >>> partition_by_key(pa.array([5, 6], pa.uint64()), 4).tolist()
        [1, 2]
    """
    remainder: Ints = (keys.to_numpy() % np.uint64(partitions)).astype(np.int64)
    return remainder
