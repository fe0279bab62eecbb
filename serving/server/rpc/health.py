"""The standard health service of gRPC.

The library for it, grpcio-health-checking, is generated for a newer protobuf than TensorFlow
allows. Its two messages have one field each.
"""

import asyncio
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import Any

import grpc

from serving.server.health import Health
from serving.server.protos import declare_messages

_LOOK_SECONDS = 0.1
_PACKAGE = "grpc.health.v1"
# The whole server; the names that TensorFlow Serving uses; the services' own names.
_SERVICES = frozenset(
    {
        "",
        "PredictionService",
        "ModelService",
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
    }
)
_CLASSES: dict[str, Any] = declare_messages(
    _PACKAGE,
    {
        "HealthCheckRequest": {"service": (1, "string")},
        # An enumeration is an int32 on the wire.
        "HealthCheckResponse": {"status": (1, "int32")},
    },
)


class Status(IntEnum):
    """What the service says; the numbers are the protocol's."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class RpcHealth:
    """Tells gRPC clients whether the server is ready.

    Args:
        health: of the server.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._is_over = False

    def handler(self) -> grpc.GenericRpcHandler:
        """What a gRPC server needs to know of the service."""
        forms = {
            "request_deserializer": _CLASSES["HealthCheckRequest"].FromString,
            "response_serializer": _CLASSES["HealthCheckResponse"].SerializeToString,
        }
        return grpc.method_handlers_generic_handler(
            f"{_PACKAGE}.Health",
            {
                "Check": grpc.unary_unary_rpc_method_handler(self._check, **forms),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch, **forms),
            },
        )

    def stop(self) -> None:
        """Ends what clients watch, once they were told the last state."""
        self._is_over = True

    async def _check(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        status = self._look(request.service)
        if status == Status.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "")
        return _CLASSES["HealthCheckResponse"](status=status)

    async def _watch(
        self, request: Any, _: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        told = None
        while True:
            is_over, status = self._is_over, self._look(request.service)
            if status != told:
                yield _CLASSES["HealthCheckResponse"](status=status)
            told = status
            if is_over:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _look(self, service: str) -> Status:
        if service not in _SERVICES:
            return Status.SERVICE_UNKNOWN
        return Status.NOT_SERVING if self._health.explain() else Status.SERVING
