"""Puts the numbers of two sides into the same bins, for TFDV to compare.

TFDV's histograms of two sides have edges of their own, by the smallest and largest number of
each, and what is between two edges it takes for spread evenly. For counts, and for numbers with a
long tail, that makes a divergence out of nothing: of two samples of one Poisson distribution with
mean 1 it says 0.19. Bins of equal count, made of TFDV's quantiles of one side, are
what the population stability index is measured in, too.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.evaluation.rows import Floats

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatistics
Feature: TypeAlias = statistics_pb2.FeatureNameStatistics
Histogram: TypeAlias = statistics_pb2.Histogram
Buckets: TypeAlias = Sequence[statistics_pb2.Histogram.Bucket]


def with_common_bins(before: Statistics, now: Statistics) -> tuple[Statistics, Statistics]:
    """Both sides, with standard histograms over the same edges.

    Args:
        before: by whose quantiles the bins have equal counts.
        now: the other side.

    Returns:
        Copies; features that one side has not are as they were.
    """
    sides = Statistics(), Statistics()
    sides[0].CopyFrom(before)
    sides[1].CopyFrom(now)
    theirs = {tuple(f.path.step): f for f in sides[1].features}
    for feature in sides[0].features:
        pair = feature, theirs.get(tuple(feature.path.step))
        quantiles = [_quantiles(one) for one in pair if one is not None]
        if len(quantiles) < 2 or not all(quantiles):
            continue
        edges = _edges(quantiles[0], quantiles[1])
        for one, buckets in zip(pair, quantiles, strict=True):
            assert one is not None
            _put(one, edges, buckets)
    return sides


def shares_below(edges: Floats, buckets: Buckets) -> Floats:
    """The share of numbers below each edge, by quantiles; even inside a bucket.

    Args:
        edges: [E].
        buckets: by rising numbers.

    Example:
        >>> def bucket(low, high):
        ...     return Histogram.Bucket(low_value=low, high_value=high, sample_count=1)
        >>> shares_below(np.array([0.0, 1.0, 2.0]), [bucket(0, 0), bucket(0, 2)]).tolist()
        [0.0, 0.75, 1.0]
    """
    low, high, count = (
        np.array([getattr(bucket, name) for bucket in buckets], dtype=np.float64)
        for name in ("low_value", "high_value", "sample_count")
    )
    width = np.where(high > low, high - low, 1.0)
    part = np.clip((edges[:, None] - low) / width, 0.0, 1.0)  # [E, buckets]
    # All of a bucket of one value is below an edge that is above it, and nothing is otherwise.
    part = np.where(high > low, part, edges[:, None] > low)
    shares: Floats = part @ (count / count.sum())
    return shares


def _quantiles(
    feature: Feature,
) -> Buckets:
    """The buckets of equal count; none if the feature is no number, or has no values."""
    found = [
        list(histogram.buckets)
        for histogram in feature.num_stats.histograms
        if histogram.type == Histogram.QUANTILES
    ]
    buckets = found[0] if found else []
    return buckets if sum(bucket.sample_count for bucket in buckets) > 0 else []


def _edges(before: Buckets, now: Buckets) -> Floats:
    """Different quantiles of the one side, from the smallest to beyond the largest of both."""
    inner = sorted({before[0].low_value, *(bucket.high_value for bucket in before)})
    first = min(inner[0], now[0].low_value)
    last = np.nextafter(max(inner[-1], now[-1].high_value), np.inf)
    return np.array([first, *(edge for edge in inner if first < edge < last), last])


def _put(
    feature: Feature,
    edges: Floats,
    buckets: Buckets,
) -> None:
    """Replaces the feature's standard histogram by one with other edges."""
    total = sum(bucket.sample_count for bucket in buckets)
    counts = np.diff(shares_below(edges, buckets)) * total
    histograms = feature.num_stats.histograms
    for histogram in histograms:
        if histogram.type == Histogram.STANDARD:
            del histogram.buckets[:]
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
                histogram.buckets.add(low_value=low, high_value=high, sample_count=count)
