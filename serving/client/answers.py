"""Answers of TensorFlow Serving as JSON documents; its gRPC messages have the same form."""

from typing import Any

from serving.client.operations import VersionStatus


def read_status(document: Any) -> tuple[VersionStatus, ...]:
    """The versions of a status answer, in the order of the server.

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
