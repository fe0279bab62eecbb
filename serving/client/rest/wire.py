"""Operations as HTTP messages, their answers back, and refusals as errors; no I/O."""

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from serving.client.answers import read_status
from serving.client.errors import (
    DEADLINE_EXCEEDED,
    ClientError,
    RequestTimeoutError,
    ResponseError,
    StatusError,
    code_of,
)
from serving.client.operations import (
    AskMetadata,
    AskStatus,
    ModelMetadata,
    Operation,
    Predict,
)
from serving.client.rest.bodies import dump_inputs, load, read_outputs
from serving.client.target import ModelAddress
from serving.ranking.signature import read_signatures

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """A request.

    Attributes:
        method: GET or POST.
        path: under the server's URL.
        body: JSON, or None.
    """

    method: str
    path: str
    body: bytes | None = None


class RestWire:
    """Writes operations and reads answers for one model.

    Args:
        model: which is asked.

    Example:
        >>> RestWire(ModelAddress("a/b", version=3)).encode(AskMetadata())
        HttpMessage(method='GET', path='/v1/models/a%2Fb/versions/3/metadata', body=None)
    """

    def __init__(self, model: ModelAddress) -> None:
        self._path = f"/v1/models/{quote(model.name, safe='')}"
        if model.version is not None:
            self._path += f"/versions/{model.version}"
        if model.label is not None:
            self._path += f"/labels/{quote(model.label, safe='')}"

    def encode(self, operation: Operation[Any]) -> HttpMessage:
        """The request for an operation."""
        match operation:
            case AskStatus():
                return HttpMessage("GET", self._path)
            case AskMetadata():
                return HttpMessage("GET", f"{self._path}/metadata")
            case Predict(signature, inputs):
                return HttpMessage("POST", f"{self._path}:predict", dump_inputs(signature, inputs))
        raise TypeError(f"REST has no {operation!r}")

    def decode(self, operation: Operation[Any], body: bytes, url: str) -> Any:
        """The answer to an operation.

        Raises:
            ResponseError: if it is none.
        """
        try:
            document = load(body)
            match operation:
                case AskStatus():
                    return read_status(document)
                case AskMetadata():
                    return _read_metadata(document)
                case Predict(outputs=outputs):
                    return read_outputs(document["outputs"], outputs)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ResponseError(
                f"the answer is not of TensorFlow Serving's form: {error!r}. "
                f"Received: {body[:_SHOWN]!r}",
                url,
            ) from None
        raise TypeError(f"REST has no {operation!r}")


def refusal(status: int, headers: Mapping[str, str], body: bytes, url: str) -> ClientError:
    """The error that an answer with another status than 200 stands for."""
    code, message = code_of(status), _read_refusal(body)
    if code == DEADLINE_EXCEEDED:
        return RequestTimeoutError(f"{status} {code}: {message}", url)
    return StatusError(message, url, code, status, _read_retry_after(headers.get("retry-after")))


def _read_metadata(document: Any) -> ModelMetadata:
    spec = document["model_spec"]
    signatures = document["metadata"]["signature_def"]["signature_def"]
    return ModelMetadata(str(spec["name"]), int(spec["version"]), read_signatures(signatures))


def _read_refusal(body: bytes) -> str:
    """The server's message, or the start of whatever it sent."""
    try:
        return str(load(body)["error"])
    except (LookupError, RecursionError, TypeError, ValueError):
        return " ".join(body[:_SHOWN].decode("utf-8", "replace").split()) or "no message"


def _read_retry_after(value: str | None) -> float | None:
    """Seconds; the header has them, or a date."""
    if value is None:
        return None
    if value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
