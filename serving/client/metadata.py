"""What the server says of a model: its versions' states and its signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """The state of one version.

    Attributes:
        version: its number.
        state: `AVAILABLE` if it answers requests.
        error_code: `OK`, or why it could not be loaded.
        error_message: the same in words.
    """

    version: int
    state: str
    error_code: str
    error_message: str


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """One version of a model.

    Attributes:
        name: of the model.
        version: that these signatures are of.
        signatures: signature name -> its definition in JSON, as the API gives it.
    """

    name: str
    version: int
    signatures: Mapping[str, Any]


def read_status(document: Any) -> tuple[VersionStatus, ...]:
    """The versions of a status answer, the latest first.

    Raises:
        LookupError, TypeError, ValueError: if it is no such answer.
    """
    return tuple(
        VersionStatus(
            version=int(entry["version"]),
            state=str(entry["state"]),
            error_code=str(entry["status"]["error_code"]),
            error_message=str(entry["status"]["error_message"]),
        )
        for entry in document["model_version_status"]
    )


def read_metadata(document: Any) -> ModelMetadata:
    """The model of a metadata answer.

    Raises:
        LookupError, TypeError, ValueError: if it is no such answer.
    """
    spec = document["model_spec"]
    signatures = document["metadata"]["signature_def"]["signature_def"]
    return ModelMetadata(str(spec["name"]), int(spec["version"]), dict(signatures))
