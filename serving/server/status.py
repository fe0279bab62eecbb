"""The status codes that a server of TensorFlow Serving's API answers with."""

from enum import IntEnum

from transforms.errors import GaterankError


class Code(IntEnum):
    """The canonical codes; gRPC and TensorFlow share their numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""Which HTTP status the REST API gives for a code."""


class ServingError(GaterankError):
    """A request that the server refuses, or a model that it cannot load.

    Args:
        code: what kind of refusal.
        message: what the client is told.

    Example:
        >>> str(ServingError(Code.NOT_FOUND, "no such model"))
        'NOT_FOUND: no such model'
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


def invalid_argument(message: str) -> ServingError:
    """The refusal of a request that breaks a rule.

    Example:
        >>> invalid_argument("Input is empty.").code.name
        'INVALID_ARGUMENT'
    """
    return ServingError(Code.INVALID_ARGUMENT, message)
