"""Which server and which of its models is asked, and the transport that a URL names."""

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from serving.client.options import Limits, Timeout, Tls
from serving.client.transport import AsyncTransport, Transport
from transforms.errors import ConfigError

_REST = ("http", "https")
_RPC = ("grpc", "grpcs")


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """A model on a server.

    Attributes:
        name: under which it is served.
        version: always this one; by default the latest.
        label: always the version with this label.
    """

    name: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("`model` must be a name. Received: ''")
        if self.version is not None and self.label is not None:
            raise ConfigError("`version` and `label` must not be given together")


@dataclass(frozen=True, slots=True)
class Target:
    """A server's model, and how it is reached.

    Attributes:
        url: http(s)://host:port or grpc(s)://host:port.
        model: which is asked.
        timeout: of one attempt.
        limits: of connections and answers.
        tls: certificates.

    Raises:
        ConfigError: if the URL names no server.
    """

    url: str
    model: ModelAddress
    timeout: Timeout
    limits: Limits
    tls: Tls

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts.scheme in _RPC and (parts.port is None or parts.path.strip("/")):
            raise ConfigError(f"a gRPC URL must be grpc(s)://host:port. Received: {self.url!r}")

    @property
    def is_rpc(self) -> bool:
        """Whether the server is asked over gRPC."""
        return urlsplit(self.url).scheme in _RPC

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is by TLS."""
        return urlsplit(self.url).scheme.endswith("s")

    @property
    def address(self) -> str:
        """`host:port`."""
        return urlsplit(self.url).netloc

    def open(self) -> Transport:
        """A transport for threads; connections are made when they are needed."""
        if self.is_rpc:
            from serving.client.rpc.transport import RpcTransport

            return RpcTransport(self)
        from serving.client.rest.transport import RestTransport

        return RestTransport(self)

    def open_async(self) -> AsyncTransport:
        """A transport for event loops; connections are made when they are needed."""
        if self.is_rpc:
            from serving.client.rpc.transport import AsyncRpcTransport

            return AsyncRpcTransport(self)
        from serving.client.rest.transport import AsyncRestTransport

        return AsyncRestTransport(self)


def _split(url: str) -> SplitResult:
    """The URL's parts; a password in it is refused without being shown."""
    rule = "the server's URL must be http(s)://host:port or grpc(s)://host:port"
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in (*_REST, *_RPC) and bool(parts.hostname)
        is_server = is_server and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ConfigError(f"{rule}. Received: {url!r}") from None
    if "@" in parts.netloc:
        raise ConfigError(f"{rule}, without a user or password")
    if not is_server or parts.query or parts.fragment:
        raise ConfigError(f"{rule}. Received: {url!r}")
    return parts
