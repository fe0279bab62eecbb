"""Measures the best predictions against the drawn labels, part by part, in bounded memory."""

import numpy as np

from transforms.simulator.columns import Array
from transforms.simulator.responses import TASKS

MAX_SAMPLE = 1_000_000
"""Impressions that an AUC is taken over at most."""


def ranking_auc(labels: Array, predictions: Array) -> float | None:
    """The probability that a random positive is predicted above a random negative.

    Ties count half. None if there are no positives or no negatives.

    Args:
        labels: true where positive, [n].
        predictions: [n].

    Example:
        >>> ranking_auc(np.array([True, False, False]), np.array([0.5, 0.5, 0.1]))
        0.75
    """
    positives = np.sort(predictions[labels])
    negatives = np.sort(predictions[~labels])
    if not len(positives) or not len(negatives):
        return None
    below = np.searchsorted(negatives, positives, "left")
    not_above = np.searchsorted(negatives, positives, "right")
    return float((below + not_above).mean() / (2 * len(negatives)))


class ClassificationTally:
    """Base rate of all impressions, and the AUC on a random sample of at most MAX_SAMPLE."""

    def __init__(self) -> None:
        self._examples = self._positives = 0
        self._sample: list[tuple[Array, Array, Array]] = []

    def add(self, labels: Array, best: Array, shown_first: Array, sampled: Array) -> None:
        """Adds one part.

        Args:
            labels: 0 or 1, [n].
            best: the best predictions, [n].
            shown_first: the best predictions that take every item as shown first, [n].
            sampled: rows for the AUC, [n] bool.
        """
        self._examples += len(labels)
        self._positives += int(labels.sum())
        self._sample.append((labels[sampled] > 0, best[sampled], shown_first[sampled]))

    def result(self) -> dict[str, float | int | None]:
        """The figures of `truth.TaskTruth`."""
        columns = zip(*self._sample, strict=True)
        labels, best, shown_first = (np.concatenate(column) for column in columns)
        return {
            "examples": self._examples,
            "base_rate": self._positives / self._examples,
            "best_auc": ranking_auc(labels, best),
            "auc_shown_first": ranking_auc(labels, shown_first),
        }


class RegressionTally:
    """Root mean squared errors over all impressions that have the label."""

    def __init__(self) -> None:
        self._examples = 0
        # Of the label, its square, and the squared errors of the two predictions.
        self._sums = np.zeros(4)

    def add(self, labels: Array, best: Array, shown_first: Array, sampled: Array) -> None:
        """Adds one part, as `ClassificationTally.add`; a NaN label does not exist."""
        exists = ~np.isnan(labels)
        labels = labels[exists]
        self._examples += len(labels)
        errors = (labels - prediction[exists] for prediction in (best, shown_first))
        self._sums += [
            labels.sum(),
            (labels**2).sum(),
            *((error**2).sum() for error in errors),
        ]

    def result(self) -> dict[str, float | int | None]:
        """The figures of `truth.TaskTruth`."""
        if not self._examples:
            return {"examples": 0}
        mean, mean_square, best, shown_first = self._sums / self._examples
        return {
            "examples": self._examples,
            "rmse_of_mean": float(np.sqrt(max(mean_square - mean**2, 0.0))),
            "best_rmse": float(np.sqrt(best)),
            "rmse_shown_first": float(np.sqrt(shown_first)),
        }


class Tallies:
    """One tally a task.

    Args:
        impressions: how many will be added in all.
    """

    def __init__(self, impressions: int) -> None:
        self._sampled_share = min(1.0, MAX_SAMPLE / impressions)
        self._tallies = {
            task: ClassificationTally() if spec.kind == "classification" else RegressionTally()
            for task, spec in TASKS.items()
        }

    def add(
        self,
        rng: np.random.Generator,
        labels: dict[str, Array],
        best: dict[str, Array],
        shown_first: dict[str, Array],
    ) -> None:
        """Adds one part: task -> [n] each; `rng` chooses the sample."""
        sampled = rng.random(len(best["click"])) < self._sampled_share
        for task, tally in self._tallies.items():
            tally.add(labels[task], best[task], shown_first[task], sampled)

    def results(self) -> dict[str, dict[str, float | int | None]]:
        """Task -> figures."""
        return {task: tally.result() for task, tally in self._tallies.items()}
