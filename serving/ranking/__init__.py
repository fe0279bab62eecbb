"""Ranking without a network: a request to the model's columns, its answer to an order.

A request names one user, one context and candidates, each with an `item_id`; candidates
are objects, columns or an Arrow table.
"""

from serving.ranking.candidates import Candidates
from serving.ranking.columns import Columns, make_columns
from serving.ranking.errors import RankingRequestError
from serving.ranking.request import RankingRequest, parse_request
from serving.ranking.result import RankedCandidate, RankedCandidates, sort_candidates
from serving.ranking.signature import (
    InputSpec,
    RankSignature,
    Signature,
    TensorSpec,
    read_rank_signature,
    read_signatures,
)

__all__ = [
    "Candidates",
    "Columns",
    "InputSpec",
    "RankSignature",
    "RankedCandidate",
    "RankedCandidates",
    "RankingRequest",
    "RankingRequestError",
    "Signature",
    "TensorSpec",
    "make_columns",
    "parse_request",
    "read_rank_signature",
    "read_signatures",
    "sort_candidates",
]
