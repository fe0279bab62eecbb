"""A hash of text that is the same on every machine, in every version, in every language.

FNV-1a, 64 bits, over the salt's and then the text's UTF-8 bytes (Fowler, Noll, Vo), and
after it the finaliser of MurmurHash3 (Appleby), without which the high bits of short
texts would hardly differ.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]

_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3
_MASK = 0xFFFFFFFFFFFFFFFF


def hash_text(values: pa.Array, salt: str = "") -> Hashes:
    """Hashes each text.

    Args:
        values: text without nulls, [n].
        salt: goes before each text; another salt is another hash.

    Returns:
        [n], spread evenly over 0 to 2^64 - 1.

    Example:
        >>> [f"{h:016x}" for h in hash_text(pa.array(["", "user"])).tolist()]
        ['efd01f60ba992926', '37543de63aa9bac7']
    """
    encoded = values.dictionary_encode()
    hashes: Hashes = finalise(_fnv1a(encoded.dictionary, salt))[encoded.indices.to_numpy()]
    return hashes


def finalise(hashes: Hashes) -> Hashes:
    """MurmurHash3's fmix64: every bit of the input moves every bit of the result."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return hashes ^ (hashes >> np.uint64(33))


def _fnv1a(words: pa.Array, salt: str) -> Hashes:
    """One pass over all texts for each byte position, longest texts first."""
    state = _OFFSET
    for byte in salt.encode():
        state = ((state ^ byte) * _PRIME) & _MASK
    words = words.cast(pa.large_string())
    offsets = np.frombuffer(words.buffers()[1], np.int64)[words.offset :][: len(words) + 1]
    data = np.frombuffer(words.buffers()[2] or b"", np.uint8)
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")
    starts, falling = offsets[:-1][order], -lengths[order]
    hashes = np.full(len(words), state, dtype=np.uint64)
    for place in range(int(lengths.max(initial=0))):
        longer = int(np.searchsorted(falling, -place, side="left"))
        bytes_there = data[starts[:longer] + place].astype(np.uint64)
        hashes[:longer] = (hashes[:longer] ^ bytes_there) * np.uint64(_PRIME)
    result = np.empty_like(hashes)
    result[order] = hashes
    return result
