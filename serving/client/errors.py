"""What can go wrong between the client and the server, over REST and gRPC alike.

GaterankError
└── ClientError
    ├── TransportError          the server was not reached, or fell silent
    │   ├── ConnectError
    │   ├── ConnectionLostError
    │   └── RequestTimeoutError
    ├── StatusError             it refused the request
    └── ResponseError           its answer makes no sense
"""

from transforms.errors import GaterankError

UNAVAILABLE = "UNAVAILABLE"
RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"

HTTP_STATUS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    DEADLINE_EXCEEDED: 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    RESOURCE_EXHAUSTED: 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    UNAVAILABLE: 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""Which HTTP status TensorFlow Serving gives for a canonical code."""

# The reverse is not a function: the code that is by far the likeliest. 502 is a proxy's.
_CODES = {
    **{status: code for code, status in HTTP_STATUS.items()},
    400: "INVALID_ARGUMENT",
    409: "ABORTED",
    500: "INTERNAL",
    502: UNAVAILABLE,
}


def code_of(status_code: int) -> str:
    """The canonical code that an HTTP status stands for.

    Example:
        >>> code_of(404), code_of(413), code_of(599)
        ('NOT_FOUND', 'INVALID_ARGUMENT', 'UNKNOWN')
    """
    rest = "INVALID_ARGUMENT" if 400 <= status_code < 500 else "UNKNOWN"
    return _CODES.get(status_code, rest)


class ClientError(GaterankError):
    """Base of the client's errors.

    Args:
        message: what happened.
        url: of the request.

    Attributes:
        is_transient: whether the same request may well succeed a moment later.
        retry_after: seconds after which the server wants to be asked again, if it said so.
    """

    is_transient: bool = False
    retry_after: float | None = None

    def __init__(self, message: str, url: str) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url


class TransportError(ClientError):
    """The request or its answer got lost on the way."""


class ConnectError(TransportError):
    """No server answers at the address."""

    is_transient = True


class ConnectionLostError(TransportError):
    """The connection ended before the answer: the server stopped, or closed an idle one."""

    is_transient = True


class RequestTimeoutError(TransportError):
    """The server took longer than the timeout allows; to ask again would double its load."""


class StatusError(ClientError):
    """The server refused the request.

    Args:
        message: the server's own.
        url: of the request.
        code: the canonical code, such as `NOT_FOUND`; over REST the likeliest of the status.
        status_code: of HTTP; over gRPC what REST would give.
        retry_after: seconds after which the server wants to be asked again.

    Example:
        >>> StatusError("loading", "http://server", "UNAVAILABLE", 503).is_transient
        True
    """

    def __init__(
        self,
        message: str,
        url: str,
        code: str,
        status_code: int,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{status_code} {code}: {message}", url)
        self.server_message = message
        self.code = code
        self.status_code = status_code
        self.is_transient = code in (UNAVAILABLE, RESOURCE_EXHAUSTED)
        self.retry_after = retry_after


class ResponseError(ClientError):
    """The answer is not in the form of TensorFlow Serving's API."""
