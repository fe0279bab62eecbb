"""How long the client waits, and how much it takes."""

from dataclasses import dataclass

import httpx

from transforms.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds to wait; None waits for ever.

    Attributes:
        connect: for a connection.
        read: for the next part of the answer.
        write: for the server to take the next part of the request.
        pool: for a free connection of the pool.

    Example:
        >>> Timeout(read=0.5).read
        0.5
    """

    connect: float | None = 5.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = 5.0

    def __post_init__(self) -> None:
        for name in ("connect", "read", "write", "pool"):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                raise ConfigError(f"`{name}` must be more than 0 seconds. Received: {seconds}")

    def to_httpx(self) -> httpx.Timeout:
        """The same in httpx' form."""
        return httpx.Timeout(connect=self.connect, read=self.read, write=self.write, pool=self.pool)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the client asks for and takes.

    Attributes:
        max_candidates: of one request.
        max_response_bytes: of one answer.
        max_connections: open at once.
        max_keepalive_connections: kept open between requests.
        keepalive_expiry: seconds that an idle connection is kept; less than the server
            keeps it, or requests meet connections that it just closed.
    """

    max_candidates: int = 20_000
    max_response_bytes: int = 256 * 2**20
    max_connections: int = 100
    max_keepalive_connections: int = 20
    keepalive_expiry: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_candidates", "max_response_bytes", "max_connections"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1. Received: {getattr(self, name)}")

    def to_httpx(self) -> httpx.Limits:
        """The limits of the connection pool in httpx' form."""
        return httpx.Limits(
            max_connections=self.max_connections,
            max_keepalive_connections=self.max_keepalive_connections,
            keepalive_expiry=self.keepalive_expiry,
        )
