"""Metrics by slice: words by frequency, many-valued numbers by quarter."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import RankerConfig
from pipeline.evaluation.figures import SliceFigures, SliceMetric
from pipeline.evaluation.metrics import task_metrics
from pipeline.evaluation.rows import EvalRows, Floats, Ints, encode
from transforms.tasks import Tasks

MISSING = "(missing)"
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Slice:
    """The rows that share a feature's value.

    Attributes:
        feature: its name.
        value: as text.
        rows: [S] their numbers, rising.
    """

    feature: str
    value: str
    rows: Ints


def slices_of(
    feature: str, values: NDArray[Any], min_examples: int, max_slices: int
) -> list[Slice]:
    """Cuts the rows by a feature's values.

    Args:
        feature: its name.
        values: [R] text, bytes or numbers; None and NaN are missing, a slice of its own.
            Numbers with more than `max_slices` different values are cut into quarters.
        min_examples: smaller slices are left out.
        max_slices: the largest are kept.

    Returns:
        Words by falling size, quarters by rising value.

    Example:
        >>> found = slices_of("tab", np.array(["b", "a", "b"]), min_examples=1, max_slices=9)
        >>> [(s.value, s.rows.tolist()) for s in found]
        [('b', [0, 2]), ('a', [1])]
    """
    codes, words = encode(values)
    if len(words) > max_slices and all(w is None or isinstance(w, int | float) for w in words):
        codes, names = _quarters(
            np.array([np.nan if w is None else w for w in words], float)[codes]
        )
        order = np.arange(len(names))
    else:
        names = [_text(word) for word in words]
        order = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    sizes = np.bincount(codes, minlength=len(names))  # [V]
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
    kept = [code for code in order if sizes[code] >= min_examples][:max_slices]
    return [Slice(feature, names[code], rows[code]) for code in kept]


def evaluate_slices(rows: EvalRows, users: Ints, config: RankerConfig) -> tuple[SliceFigures, ...]:
    """Every metric of every task in the slices of `evaluation.slices`.

    Args:
        rows: of the eval split.
        users: [R] numbers of the users.
        config: the ranker's.
    """
    options = config.evaluation
    return tuple(
        _slice_figures(found, rows, users, config.tasks)
        for feature in options.slices
        for found in slices_of(
            feature, rows.slices[feature], options.min_slice_examples, options.max_slices
        )
    )


def _slice_figures(found: Slice, rows: EvalRows, users: Ints, tasks: Tasks) -> SliceFigures:
    metrics = {}
    for name, task in tasks.items():
        part = rows.tasks[name].take(found.rows)
        inside = users[found.rows]
        candidate = task_metrics(task.kind, inside, part.labels, part.weights, part.candidate)
        baseline = task_metrics(task.kind, inside, part.labels, part.weights, part.baseline)
        metrics[name] = {
            metric: SliceMetric(candidate=candidate[metric], baseline=baseline[metric])
            for metric in candidate
        }
    return SliceFigures(
        feature=found.feature, value=found.value, examples=len(found.rows), tasks=metrics
    )


def _quarters(numbers: Floats) -> tuple[Ints, list[str]]:
    """Codes [R] and the ranges' names; equal quantiles give fewer, wider ranges."""
    present = np.isfinite(numbers)
    edges = np.unique(np.quantile(numbers[present], _QUANTILES))
    last = len(edges) - 2
    codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, last)
    names = [
        f"{low:.4g} to {'' if i == last else 'under '}{high:.4g}"
        for i, (low, high) in enumerate(pairwise(edges.tolist()))
    ]
    if present.all():
        return codes, names
    return np.where(present, codes, last + 1), [*names, MISSING]


def _text(word: Any) -> str:
    if word is None or word in ("", b""):  # an example's absent word is read as empty
        return MISSING
    if isinstance(word, bytes):
        return word.decode("utf-8", "replace")
    return f"{word:g}" if isinstance(word, float) else str(word)
