"""Compressed bodies of requests and answers."""

import gzip
import re
import zlib

_GZIP = 16 + zlib.MAX_WBITS
_REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*")


class TooLargeError(ValueError):
    """A body that is larger than it may be once it is decompressed."""


def inflate(body: bytes, limit: int) -> bytes:
    """The body without its compression; nothing if it is broken, as TensorFlow Serving does.

    Raises:
        TooLargeError: if it has more than `limit` bytes.
    """
    inflater = zlib.decompressobj(_GZIP)
    try:
        text = inflater.decompress(body, limit)
    except zlib.error:
        return b""
    if inflater.unconsumed_tail:
        raise TooLargeError
    return text if inflater.eof else b""


def deflate(body: bytes) -> bytes:
    """The body compressed, fast rather than well.

    Example:
        >>> inflate(deflate(b"a" * 1000), 1000) == b"a" * 1000
        True
    """
    return gzip.compress(body, compresslevel=1, mtime=0)


def accepts_gzip(accepted: bytes) -> bool:
    """Whether a client that sent this `accept-encoding` reads gzip.

    Example:
        >>> accepts_gzip(b"br, gzip;q=0.5"), accepts_gzip(b"gzip;q=0"), accepts_gzip(b"")
        (True, False, False)
    """
    codings = [coding.strip().lower() for coding in accepted.decode("latin-1").split(",")]
    return any(
        coding.partition(";")[0].strip() == "gzip" and not _REFUSED.fullmatch(coding)
        for coding in codings
    )
