"""Clients of servers of TensorFlow Serving's APIs, REST and gRPC; they load no TensorFlow.

`Ranker` and `AsyncRanker` hold conversations (`conversation`), which are generators that do
no I/O themselves: they say what to ask and how long to wait (`steps`, `retries`). A
transport (`rest`, `rpc`, or the fake one of `testing`) carries what is asked.
"""

from serving.client.async_ranker import AsyncRanker
from serving.client.errors import (
    ClientError,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    ResponseError,
    StatusError,
    TransportError,
)
from serving.client.operations import ModelMetadata, VersionStatus
from serving.client.options import Limits, Retry, Timeout, Tls
from serving.client.ranker import Ranker
from serving.ranking.errors import RankingRequestError
from serving.ranking.result import RankedCandidate, RankedCandidates

__all__ = [
    "AsyncRanker",
    "ClientError",
    "ConnectError",
    "ConnectionLostError",
    "Limits",
    "ModelMetadata",
    "RankedCandidate",
    "RankedCandidates",
    "Ranker",
    "RankingRequestError",
    "RequestTimeoutError",
    "ResponseError",
    "Retry",
    "StatusError",
    "Timeout",
    "Tls",
    "TransportError",
    "VersionStatus",
]
