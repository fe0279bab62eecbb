"""Ranking without a network: a request to the model's columns, its answer to an order.

A request names one user, one context and candidates:
`{"user": {...}, "context": {...}, "candidates": [{"item_id": "a", ...}, ...]}`.
"""

from serving.ranking.request import RankingRequestError, make_columns, parse_request
from serving.ranking.result import RankedCandidate, RankedCandidates, sort_candidates
from serving.ranking.signature import InputSpec, RankSignature, read_rank_signature

__all__ = [
    "InputSpec",
    "RankSignature",
    "RankedCandidate",
    "RankedCandidates",
    "RankingRequestError",
    "make_columns",
    "parse_request",
    "read_rank_signature",
    "sort_candidates",
]
