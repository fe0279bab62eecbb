"""The client for event loops: ranked candidates, predictions, status and metadata."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from serving.client.base_ranker import BaseRanker
from serving.client.operations import Array, ModelMetadata, VersionStatus
from serving.client.steps import Steps, run_async
from serving.client.target import Target
from serving.client.transport import AsyncTransport
from serving.ranking.candidates import Candidates
from serving.ranking.columns import Fields
from serving.ranking.result import RankedCandidates

T = TypeVar("T")


class AsyncRanker(BaseRanker[AsyncTransport]):
    """Ranks by one model of a server as `Ranker` does, in an event loop of asyncio.

    Make one and share it between the tasks of the loop.

    Args:
        url: of the server: http(s)://host:port for REST, grpc(s)://host:port for gRPC.
        model: the name under which the model is served.
        version: always the same version; by default the latest.
        label: always the version with this label.
        timeout: how long to wait.
        limits: how much to ask for and to take.
        retry: how often, and how soon, to try again.
        tls: certificates of https and grpcs.
        transport: what carries requests; by default what the URL says.
        clock: the time that deadlines and retries go by.
        with_ids: whether rankings are sent with their `request_id`, `user_id` and `item_id`,
            for a server that writes rankings down; any other server refuses them.

    Raises:
        ConfigError: if the URL names no server, or both a version and a label are given.

    Example:
        >>> import asyncio
        >>> from serving.client.testing import FakeTransport
        >>> model = FakeTransport({"score": [0.1, 0.9]}, item={"price": float})
        >>> async def best() -> str:
        ...     async with AsyncRanker("http://server:8501", transport=model) as ranker:
        ...         ranked = await ranker.rank({}, {"item_id": ["a", "b"], "price": [2, 3]})
        ...     return ranked[0].item_id
        >>> asyncio.run(best())
        'b'
    """

    async def rank(
        self,
        user: Fields | None,
        candidates: Candidates,
        context: Fields | None = None,
    ) -> RankedCandidates:
        """Ranks candidates by the model's combined score; see `Ranker.rank`."""
        return await self._run(self._conversation.rank(user, candidates, context))

    async def predict(
        self, inputs: Mapping[str, Any], signature: str = "serving_default"
    ) -> dict[str, Array]:
        """Runs a signature; see `Ranker.predict`."""
        return await self._run(self._conversation.predict(inputs, signature))

    async def status(self) -> tuple[VersionStatus, ...]:
        """The states of the model's versions; see `Ranker.status`."""
        return await self._run(self._conversation.status())

    async def metadata(self, refresh: bool = False) -> ModelMetadata:
        """The model's signatures, remembered or asked for again; see `Ranker.metadata`."""
        return await self._run(self._conversation.metadata(refresh))

    async def aclose(self) -> None:
        """Closes the connections; more than once does no harm."""
        self._is_closed = True
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        if self._is_closed:
            raise RuntimeError("the ranker is closed")
        return await run_async(steps, self._transport, self._clock)

    def _open(self, target: Target) -> AsyncTransport:
        return target.open_async()
