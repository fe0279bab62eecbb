"""How much of what is ranked is written down, and where."""

from dataclasses import dataclass
from pathlib import Path

from transforms.errors import ConfigError

_GIGABYTE = 2**30


@dataclass(frozen=True, slots=True)
class RequestLogOptions:
    """The log of rankings.

    Attributes:
        folder: gets `<model>/impressions/<date>/*.parquet`, as ingestion reads it.
        sample: share of the requests that are written down, in (0, 1].
        top: the best candidates of each, so many at most; None for all. What nobody was
            shown should not be taken for an impression.
        file_rows: rows of a file; then the next one begins.
        file_seconds: after so long a file ends even if it has fewer rows.
        max_bytes: of all files; the oldest go first.
        max_waiting: requests that wait to be written; more are not written down, and counted.

    Raises:
        ConfigError: if a bound makes no sense.
    """

    folder: Path
    sample: float = 1.0
    top: int | None = None
    file_rows: int = 100_000
    file_seconds: float = 60.0
    max_bytes: int = 10 * _GIGABYTE
    max_waiting: int = 1000

    def __post_init__(self) -> None:
        if not 0.0 < self.sample <= 1.0:
            raise ConfigError(f"`sample` must be more than 0, at most 1. Received: {self.sample}")
        for bound in ("top", "file_rows", "max_bytes", "max_waiting"):
            value = getattr(self, bound)
            if value is not None and value < 1:
                raise ConfigError(f"`{bound}` must be at least 1. Received: {value}")
        if self.file_seconds <= 0:
            raise ConfigError(f"`file_seconds` must be more than 0. Received: {self.file_seconds}")
