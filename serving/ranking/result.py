"""Ranked candidates: the answer of the signature `rank`, best first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from transforms.errors import InputError
from transforms.examples import ITEM_ID, SCORE, prediction_name

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """One candidate.

    Attributes:
        item_id: as in the request.
        score: what the candidates are sorted by.
        predictions: task -> prediction.
    """

    item_id: Any
    score: float
    predictions: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class RankedCandidates(Sequence[RankedCandidate]):
    """Candidates, best first.

    Attributes:
        item_ids: in that order.
        scores: [N].
        predictions: task -> [N].
    """

    item_ids: tuple[Any, ...]
    scores: Floats
    predictions: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.item_ids)

    @overload
    def __getitem__(self, index: int) -> RankedCandidate: ...

    @overload
    def __getitem__(self, index: slice) -> "RankedCandidates": ...

    def __getitem__(self, index: int | slice) -> "RankedCandidate | RankedCandidates":
        if isinstance(index, slice):
            predictions = {task: values[index] for task, values in self.predictions.items()}
            return RankedCandidates(self.item_ids[index], self.scores[index], predictions)
        return RankedCandidate(
            self.item_ids[index],
            float(self.scores[index]),
            {task: float(values[index]) for task, values in self.predictions.items()},
        )

    def to_document(self) -> list[dict[str, Any]]:
        """The candidates as JSON values, best first."""
        return [
            {ITEM_ID: one.item_id, SCORE: one.score, "predictions": dict(one.predictions)}
            for one in self
        ]

    def to_table(self) -> "pa.Table":
        """The candidates as a pyarrow Table, best first, with the columns of bulk scoring.

        Returns:
            `item_id`, `score` and `prediction_<task>` for each task.

        Raises:
            InputError: if the ids are of several types, which no column can hold.

        Example:
            >>> ranked = sort_candidates(["a", "b"], {"score": [0.1, 0.9], "click": [0.2, 0.3]})
            >>> ranked.to_table().to_pylist()[0]
            {'item_id': 'b', 'score': 0.9, 'prediction_click': 0.3}
        """
        import pyarrow as pa

        try:
            item_ids = pa.array(self.item_ids)
        except pa.ArrowException as error:
            raise InputError(f"`{ITEM_ID}` must be of one type: {error}") from None
        tasks = {prediction_name(task): values for task, values in self.predictions.items()}
        return pa.table({ITEM_ID: item_ids, SCORE: self.scores, **tasks})


def sort_candidates(
    item_ids: Sequence[Any], outputs: Mapping[str, npt.ArrayLike]
) -> RankedCandidates:
    """Sorts candidates by score, highest first.

    Equal scores keep the order of the request; scores that are NaN come last.

    Args:
        item_ids: N of them.
        outputs: `score` and any predictions, each [N].

    Raises:
        ValueError: if an output is missing or of another length.

    Example:
        >>> ranked = sort_candidates(["a", "b"], {"score": [0.1, 0.9], "click": [0.2, 0.3]})
        >>> ranked[0]
        RankedCandidate(item_id='b', score=0.9, predictions={'click': 0.3})
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in outputs.items()}
    if SCORE not in arrays:
        raise ValueError(f"`{SCORE}` must be among the outputs. Received: {sorted(arrays)}")
    for name, array in arrays.items():
        if array.shape != (len(item_ids),):
            raise ValueError(
                f"output `{name}` must have one value a candidate. "
                f"Received: shape {array.shape}, {len(item_ids)} candidates"
            )
    order = np.argsort(-arrays[SCORE], kind="stable")
    scores = arrays.pop(SCORE)[order]
    predictions = {task: values[order] for task, values in sorted(arrays.items())}
    return RankedCandidates(tuple(item_ids[i] for i in order), scores, predictions)
