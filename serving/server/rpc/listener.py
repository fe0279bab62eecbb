"""The port of the gRPC API."""

from typing import Any

import grpc

from serving.server.options import ServerOptions
from transforms.errors import InputError


class RpcListener:
    """Listens for gRPC calls; made and used within the loop that serves them.

    Args:
        options: where to listen, and bounds.

    Attributes:
        server: for services to be added before the start.
        port: that was taken, once started.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.port = 0
        self._options = options
        settings: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", options.max_request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        self.server: grpc.aio.Server = grpc.aio.server(options=settings)

    async def start(self) -> None:
        """Listens.

        Raises:
            InputError: if the port is taken.
        """
        address = f"{self._options.host}:{self._options.grpc_port}"
        try:
            self.port = self._add_port(address)
        except RuntimeError:
            reason = "the port is taken, or no address of this machine"
            raise InputError(f"cannot listen on {address}: {reason}") from None
        await self.server.start()

    def _add_port(self, address: str) -> int:
        tls = self._options.tls
        if tls is None:
            return int(self.server.add_insecure_port(address))
        credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.ca or None, tls.client_verify
        )
        return int(self.server.add_secure_port(address, credentials))

    async def stop(self) -> None:
        """Refuses new calls and waits for the running ones."""
        await self.server.stop(self._options.grace_seconds)
