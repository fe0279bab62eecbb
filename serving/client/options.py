"""How long the client waits, how much it takes, and how often it asks again."""

from dataclasses import dataclass
from pathlib import Path

from transforms.errors import ConfigError


def _check_at_least(least: float, owner: object, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if not value >= least:
            raise ConfigError(f"`{name}` must be at least {least}. Received: {value}")


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds to wait; None waits for ever.

    Attributes:
        total: for a whole call, with its retries and the waits between them.
        connect: for a connection; this and the rest are of one attempt over REST. gRPC
            knows `total` only.
        read: for the next part of the answer.
        write: for the server to take the next part of the request.
        pool: for a free connection of the pool.

    Example:
        >>> Timeout(total=0.5).total
        0.5
    """

    total: float | None = 30.0
    connect: float | None = 5.0
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = 5.0

    def __post_init__(self) -> None:
        for name in ("total", "connect", "read", "write", "pool"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ConfigError(f"`{name}` must be more than 0 seconds. Received: {seconds}")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the client asks for and takes.

    Attributes:
        max_candidates: of one request.
        max_response_bytes: of one answer.
        max_connections: open at once over REST; gRPC has one for all requests.
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
        _check_at_least(1, self, "max_candidates", "max_response_bytes", "max_connections")
        _check_at_least(0, self, "max_keepalive_connections", "keepalive_expiry")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and how soon, a call that failed is tried again.

    The n-th retry waits `min(max_backoff, backoff * 2^(n-1))` seconds, of which the share
    `jitter` is drawn at random. All calls of a ranker share one budget, so that a server
    that is down gets few requests more than without retries.

    Attributes:
        attempts: of one call, the first one included; 1 never retries.
        backoff: seconds before the first retry.
        max_backoff: seconds that the wait grows to.
        jitter: 1 draws from the whole wait ("full jitter"), 0 always waits all of it.
        budget: retries allowed, as a share of the calls.
        floor: retries a second that are allowed however few calls there are.

    Example:
        >>> Retry(attempts=1)
        Retry(attempts=1, backoff=0.05, max_backoff=1.0, jitter=1.0, budget=0.1, floor=1.0)
    """

    attempts: int = 3
    backoff: float = 0.05
    max_backoff: float = 1.0
    jitter: float = 1.0
    budget: float = 0.1
    floor: float = 1.0

    def __post_init__(self) -> None:
        _check_at_least(1, self, "attempts")
        _check_at_least(0, self, "backoff", "max_backoff", "jitter", "budget", "floor")
        if self.jitter > 1:
            raise ConfigError(f"`jitter` must be at most 1. Received: {self.jitter}")


@dataclass(frozen=True, slots=True)
class Tls:
    """Which certificates an https or grpcs connection goes by.

    Attributes:
        ca_file: PEM, of the authorities to trust; None for the public ones.
        certificate_file: PEM, shown to a server that asks who calls.
        key_file: PEM, of that certificate.

    Example:
        >>> Tls(ca_file=Path("nowhere.pem"))
        Traceback (most recent call last):
        transforms.errors.ConfigError: `ca_file` must be a file. Received: nowhere.pem
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ConfigError("`certificate_file` and `key_file` must be given together")
        for name in ("ca_file", "certificate_file", "key_file"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise ConfigError(f"`{name}` must be a file. Received: {path}")
