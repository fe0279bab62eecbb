"""What can go wrong between the client and the server.

GaterankError
└── ClientError
    ├── TransportError      the server was not reached, or fell silent
    │   ├── ConnectError
    │   └── RequestTimeoutError
    ├── StatusError         it refused the request
    └── ResponseError       its answer makes no sense
"""

from transforms.errors import GaterankError


class ClientError(GaterankError):
    """Base of the client's errors.

    Args:
        message: what happened.
        url: of the request.
    """

    def __init__(self, message: str, url: str) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url


class TransportError(ClientError):
    """The request or its answer got lost on the way."""


class ConnectError(TransportError):
    """No server answers at the address."""


class RequestTimeoutError(TransportError):
    """The server took longer than the timeout allows."""


class StatusError(ClientError):
    """The server refused the request.

    Args:
        message: the server's own.
        url: of the request.
        status_code: of HTTP.
    """

    def __init__(self, message: str, url: str, status_code: int) -> None:
        super().__init__(f"{status_code}: {message}", url)
        self.server_message = message
        self.status_code = status_code


class ResponseError(ClientError):
    """The answer is not in the form of TensorFlow Serving's API."""
