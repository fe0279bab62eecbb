"""The client: status, metadata, predictions and ranked candidates over REST."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from serving.client.bodies import dump_columns, dump_rows
from serving.client.config import Limits, Timeout
from serving.client.errors import ResponseError, StatusError
from serving.client.metadata import ModelMetadata, VersionStatus, read_metadata, read_status
from serving.client.transport import Transport
from serving.ranking.request import Columns, make_columns
from serving.ranking.result import RankedCandidates, sort_candidates
from serving.ranking.signature import RANK, RankSignature, read_rank_signature
from transforms.errors import ConfigError
from transforms.examples import SCORE

T = TypeVar("T")


class RankingClient:
    """Talks to one model of a server; safe to share between threads.

    Args:
        url: of the server, such as `http://127.0.0.1:8501`.
        model: the name under which the model is served.
        version: always the same version; by default the latest.
        timeout: how long to wait.
        limits: how much to ask for and to take.
        transport: sends the requests; `httpx.MockTransport` in tests.

    Raises:
        ConfigError: if the URL is no http or https URL.

    Example:
        >>> answer = {"outputs": {"score": [0.1, 0.9]}}
        >>> transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
        >>> with RankingClient("http://server:8501", transport=transport) as client:
        ...     client.predict(inputs={"price": [3, 4]}, signature="rank")
        {'score': [0.1, 0.9]}
    """

    def __init__(
        self,
        url: str,
        model: str = "ranker",
        *,
        version: int | None = None,
        timeout: Timeout | None = None,
        limits: Limits | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._limits = limits or Limits()
        which = "" if version is None else f"/versions/{version}"
        self._path = f"/v1/models/{quote(model, safe='')}{which}"
        self._transport = Transport(url, timeout or Timeout(), self._limits, transport)
        self._metadata: ModelMetadata | None = None

    def status(self) -> tuple[VersionStatus, ...]:
        """The states of the model's versions, the latest first.

        Raises:
            ClientError: if the server is not reached or knows no such model.
        """
        return self._get(self._path, read_status)

    def metadata(self, refresh: bool = False) -> ModelMetadata:
        """The model's signatures; asked for once and remembered.

        Args:
            refresh: ask again.

        Raises:
            ClientError: if the server is not reached or knows no such model.
        """
        if refresh or self._metadata is None:
            self._metadata = self._get(f"{self._path}/metadata", read_metadata)
        return self._metadata

    def predict(
        self,
        *,
        inputs: Any = None,
        instances: Sequence[Any] | None = None,
        signature: str = "serving_default",
    ) -> Any:
        """Runs a signature.

        Args:
            inputs: by columns: input -> nested lists or array, or the value of the only
                input.
            instances: by rows, in place of `inputs`.
            signature: its name.

        Returns:
            By columns: output -> nested lists, or the value of the only output. By rows: a
            list with one value or object a row.

        Raises:
            ClientError: if the server is not reached or refuses the request.
            ConfigError: if not exactly one of `inputs` and `instances` is given.
        """
        if (inputs is None) == (instances is None):
            raise ConfigError("exactly one of `inputs` and `instances` must be given")
        if instances is not None:
            body, key = dump_rows(signature, instances), "predictions"
        else:
            body, key = dump_columns(signature, inputs), "outputs"
        return self._post(f"{self._path}:predict", body, lambda document: document[key])

    def rank(self, request: Mapping[str, Any]) -> RankedCandidates:
        """Ranks the candidates of a request.

        Args:
            request: `{"user": {...}, "context": {...}, "candidates": [...]}`; see
                `serving.ranking.make_columns`.

        Returns:
            The candidates, best first. No candidates are ranked without asking the server.

        Raises:
            RankingRequestError: if the model cannot read the request.
            ClientError: if the server is not reached or refuses the request.
        """
        signature = read_rank_signature(self.metadata().signatures)
        columns = make_columns(request, signature, self._limits.max_candidates)
        if not columns.item_ids:
            return sort_candidates((), dict.fromkeys(signature.outputs, ()))
        try:
            return self._rank(columns, signature)
        except StatusError as error:
            # A new version may read other features than the one that was asked about.
            fresh = self._changed_signature(signature) if error.status_code == 400 else None
            if fresh is None:
                raise
        columns = make_columns(request, fresh, self._limits.max_candidates)
        return self._rank(columns, fresh)

    def close(self) -> None:
        """Closes the connections."""
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

    def _changed_signature(self, known: RankSignature) -> RankSignature | None:
        fresh = read_rank_signature(self.metadata(refresh=True).signatures)
        return fresh if fresh != known else None

    def _rank(self, columns: Columns, signature: RankSignature) -> RankedCandidates:
        def read(document: Any) -> RankedCandidates:
            outputs = document["outputs"]
            named = outputs if len(signature.outputs) > 1 else {SCORE: outputs}
            return sort_candidates(columns.item_ids, named)

        return self._post(f"{self._path}:predict", dump_columns(RANK, columns.inputs), read)

    def _get(self, path: str, read: Callable[[Any], T]) -> T:
        return self._read(path, self._transport.send("GET", path, None), read)

    def _post(self, path: str, body: bytes, read: Callable[[Any], T]) -> T:
        return self._read(path, self._transport.send("POST", path, body), read)

    def _read(self, path: str, document: Any, read: Callable[[Any], T]) -> T:
        try:
            return read(document)
        except (LookupError, TypeError, ValueError) as error:
            message = f"the answer is not of TensorFlow Serving's form: {error!r}"
            raise ResponseError(message, self._transport.url + path) from None
