"""A client of servers of TensorFlow Serving's REST API; it loads no TensorFlow."""

from serving.client.client import RankingClient
from serving.client.config import Limits, Timeout
from serving.client.errors import (
    ClientError,
    ConnectError,
    RequestTimeoutError,
    ResponseError,
    StatusError,
    TransportError,
)
from serving.client.metadata import ModelMetadata, VersionStatus
from serving.ranking.request import RankingRequestError
from serving.ranking.result import RankedCandidate, RankedCandidates

__all__ = [
    "ClientError",
    "ConnectError",
    "Limits",
    "ModelMetadata",
    "RankedCandidate",
    "RankedCandidates",
    "RankingClient",
    "RankingRequestError",
    "RequestTimeoutError",
    "ResponseError",
    "StatusError",
    "Timeout",
    "TransportError",
    "VersionStatus",
]
