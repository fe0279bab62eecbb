"""What carries operations to a server: REST, gRPC, or a fake one in tests."""

from typing import Protocol, TypeVar

from serving.client.operations import Operation

T = TypeVar("T")


class Transport(Protocol):
    """Carries operations; threads may share it."""

    def send(self, operation: Operation[T], timeout: float | None) -> T:
        """Asks the server.

        Args:
            operation: what to ask.
            timeout: seconds that the answer may take; None for ever.

        Raises:
            ClientError: if there is no answer that makes sense.
        """

    def close(self) -> None:
        """Closes the connections; more than once does no harm."""


class AsyncTransport(Protocol):
    """Carries operations in an event loop; the methods are named as httpx names them."""

    async def asend(self, operation: Operation[T], timeout: float | None) -> T:
        """As `Transport.send`."""

    async def aclose(self) -> None:
        """As `Transport.close`."""
