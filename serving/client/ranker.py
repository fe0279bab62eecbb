"""The client for threads: ranked candidates, predictions, status and metadata."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from serving.client.base_ranker import BaseRanker
from serving.client.operations import Array, ModelMetadata, VersionStatus
from serving.client.steps import Steps, run
from serving.client.target import Target
from serving.client.transport import Transport
from serving.ranking.candidates import Candidates
from serving.ranking.columns import Fields
from serving.ranking.result import RankedCandidates

T = TypeVar("T")


class Ranker(BaseRanker[Transport]):
    """Ranks by one model of a server; make one and share it between threads.

    Every call only reads, so that all of them may be tried again.

    Args:
        url: of the server: http(s)://host:port for REST, grpc(s)://host:port for gRPC.
        model: the name under which the model is served.
        version: always the same version; by default the latest.
        label: always the version with this label.
        timeout: how long to wait.
        limits: how much to ask for and to take.
        retry: how often, and how soon, to try again.
        tls: certificates of https and grpcs.
        transport: what carries requests; by default what the URL says. Tests give a
            `serving.client.testing.FakeTransport`.
        clock: the time that deadlines and retries go by.
        with_ids: whether rankings are sent with their `request_id`, `user_id` and `item_id`,
            for a server that writes rankings down; any other server refuses them.

    Raises:
        ConfigError: if the URL names no server, or both a version and a label are given.

    Example:
        >>> from serving.client.testing import FakeTransport
        >>> model = FakeTransport({"score": [0.1, 0.9]}, item={"price": float})
        >>> with Ranker("grpc://server:8500", transport=model) as ranker:
        ...     ranked = ranker.rank({}, [{"item_id": "a", "price": 2}, {"item_id": "b"}])
        >>> ranked[0]
        RankedCandidate(item_id='b', score=0.9, predictions={})
    """

    def rank(
        self,
        user: Fields | None,
        candidates: Candidates,
        context: Fields | None = None,
    ) -> RankedCandidates:
        """Ranks candidates by the model's combined score.

        Args:
            user: feature -> value.
            candidates: each with an `item_id`: a list of objects; columns, lists or NumPy
                arrays; or an Arrow table of pyarrow, polars or pandas.
            context: feature -> value; a feature may stand here or in `user`.

        Returns:
            The candidates, best first, with scores and predictions of all tasks. No
            candidates are ranked without asking for a prediction.

        Raises:
            RankingRequestError: if the model cannot read the request.
            ClientError: if the server is not reached or refuses the request.
        """
        return self._run(self._conversation.rank(user, candidates, context))

    def predict(
        self, inputs: Mapping[str, Any], signature: str = "serving_default"
    ) -> dict[str, Array]:
        """Runs a signature.

        Args:
            inputs: input -> nested lists or array; strings as `str` or `bytes`.
            signature: its name.

        Returns:
            Output -> array; strings as `bytes` objects.

        Raises:
            InputError: if the model has no such signature or inputs.
            ClientError: if the server is not reached or refuses the request.
        """
        return self._run(self._conversation.predict(inputs, signature))

    def status(self) -> tuple[VersionStatus, ...]:
        """The states of the model's versions.

        Raises:
            ClientError: if the server is not reached or knows no such model.
        """
        return self._run(self._conversation.status())

    def metadata(self, refresh: bool = False) -> ModelMetadata:
        """The model's signatures; asked for once and remembered.

        Args:
            refresh: ask again.

        Raises:
            ClientError: if the server is not reached or knows no such model.
        """
        return self._run(self._conversation.metadata(refresh))

    def close(self) -> None:
        """Closes the connections; more than once does no harm."""
        self._is_closed = True
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        if self._is_closed:
            raise RuntimeError("the ranker is closed")
        return run(steps, self._transport, self._clock)

    def _open(self, target: Target) -> Transport:
        return target.open()
