"""What a ranker and a server say to each other, without I/O."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from serving.client.errors import ClientError, ResponseError, StatusError
from serving.client.inputs import make_prediction
from serving.client.operations import (
    Array,
    AskMetadata,
    AskStatus,
    ModelMetadata,
    Predict,
    VersionStatus,
)
from serving.client.options import Limits, Retry, Timeout
from serving.client.retries import Deadline, Retries
from serving.client.steps import Clock, Steps
from serving.ranking.candidates import Candidates
from serving.ranking.columns import Fields, make_columns
from serving.ranking.ids import make_ids
from serving.ranking.result import RankedCandidates, sort_candidates
from transforms.errors import InputError
from transforms.examples import RANK

T = TypeVar("T")
_REFRESH_SECONDS = 1.0


class Conversation:
    """Asks a model for its status, metadata, predictions and rankings.

    The model's metadata is asked for once and remembered. A version that takes over may
    read other features: when a request does not fit, or is refused, the metadata is asked
    for again, at most once a second, and the request made anew if it has changed.

    Args:
        url: of the server, for error messages.
        timeout: its `total` is the deadline of each call.
        limits: of a request.
        retry: how often to ask again.
        clock: that deadlines and waits go by.
        with_ids: whether rankings are sent with their ids.
    """

    def __init__(
        self,
        url: str,
        timeout: Timeout,
        limits: Limits,
        retry: Retry,
        clock: Clock,
        with_ids: bool = False,
    ) -> None:
        self._url = url
        self._with_ids = with_ids
        self._total = timeout.total
        self._limits = limits
        self._clock = clock
        self._retries = Retries(retry, clock, url)
        self._known: ModelMetadata | None = None
        self._refreshed = -_REFRESH_SECONDS

    def status(self) -> Steps[tuple[VersionStatus, ...]]:
        """The states of the model's versions."""
        return self._retries.send(AskStatus(), self._deadline())

    def metadata(self, refresh: bool) -> Steps[ModelMetadata]:
        """The model's signatures, as remembered or asked for again."""
        deadline = self._deadline()
        return self._ask_metadata(deadline) if refresh else self._remember(deadline)

    def predict(self, inputs: Mapping[str, Any], signature: str) -> Steps[dict[str, Array]]:
        """Runs a signature."""

        def converse(metadata: ModelMetadata, deadline: Deadline) -> Steps[dict[str, Array]]:
            operation = make_prediction(metadata, signature, inputs)
            return (yield from self._retries.send(operation, deadline))

        return self._with_metadata(converse)

    def rank(
        self, user: Fields | None, candidates: Candidates, context: Fields | None
    ) -> Steps[RankedCandidates]:
        """Ranks candidates; none at all without asking for a prediction."""

        def converse(metadata: ModelMetadata, deadline: Deadline) -> Steps[RankedCandidates]:
            signature = metadata.rank_signature
            limit = self._limits.max_candidates
            columns = make_columns(user, candidates, context, signature, limit)
            if not columns.item_ids:
                return sort_candidates((), dict.fromkeys(signature.outputs, ()))
            ids = make_ids(user, columns.item_ids, context) if self._with_ids else {}
            inputs = {**columns.inputs, **ids}
            operation = Predict(RANK, inputs, metadata.signatures[RANK].outputs)
            outputs = yield from self._retries.send(operation, deadline)
            try:
                return sort_candidates(columns.item_ids, outputs)
            except ValueError as error:
                raise ResponseError(f"the answer is no ranking: {error}", self._url) from None

        return self._with_metadata(converse)

    def _with_metadata(self, converse: Callable[[ModelMetadata, Deadline], Steps[T]]) -> Steps[T]:
        deadline = self._deadline()
        known = yield from self._remember(deadline)
        try:
            return (yield from converse(known, deadline))
        except (InputError, ClientError) as error:
            if not _may_be_outdated(error):
                raise
            fresh = yield from self._ask_if_changed(known, deadline)
            if fresh is None:
                raise
        return (yield from converse(fresh, deadline))

    def _ask_if_changed(self, known: ModelMetadata, deadline: Deadline) -> Steps[Any]:
        now = self._clock.now()
        if self._known is known:
            if now - self._refreshed < _REFRESH_SECONDS:
                return None
            self._refreshed = now
            try:
                yield from self._ask_metadata(deadline)
            except ClientError:
                return None  # the error that led here says more
        fresh = self._known
        return fresh if fresh and fresh.signatures != known.signatures else None

    def _remember(self, deadline: Deadline) -> Steps[ModelMetadata]:
        return self._known or (yield from self._ask_metadata(deadline))

    def _ask_metadata(self, deadline: Deadline) -> Steps[ModelMetadata]:
        self._known = metadata = yield from self._retries.send(AskMetadata(), deadline)
        return metadata

    def _deadline(self) -> Deadline:
        return Deadline(self._clock, self._total)


def _may_be_outdated(error: Exception) -> bool:
    """Whether another version's signature can be why the request or answer did not fit."""
    if isinstance(error, StatusError):
        return error.status_code == 400
    return isinstance(error, InputError | ResponseError)
