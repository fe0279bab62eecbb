"""For tests of services that rank: a model that needs no server, and time that needs no waiting."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.client.operations import (
    Array,
    AskMetadata,
    AskStatus,
    ModelMetadata,
    Operation,
    Predict,
    VersionStatus,
)
from serving.client.steps import Clock
from serving.ranking.signature import Signature, TensorSpec
from transforms.examples import RANK, SCORE

Outputs = Mapping[str, npt.ArrayLike]
Answer = Outputs | Callable[[Mapping[str, Array]], Outputs]
Kinds = Mapping[str, type]

_NUMBER = "DT_FLOAT"
_TEXT = "DT_STRING"


class FakeTransport:
    """Answers as a model would, for `Ranker` and `AsyncRanker`, whatever the URL.

    Args:
        answer: output -> values, `score` and tasks; or a function that makes them of the
            inputs, feature -> array.
        user: feature of the user or context -> `float`, `str` or `list`.
        item: feature of the candidates -> `float`, `str` or `list`.
        outputs: names of the outputs; needed if `answer` is a function and there are tasks.
        failures: errors that the first predictions raise in turn, before any is answered.

    Attributes:
        predictions: what was predicted, the first first: their `inputs` are arrays.

    Example:
        >>> from serving.client import Ranker
        >>> model = FakeTransport(lambda inputs: {"score": -inputs["price"]}, item={"price": float})
        >>> with Ranker("http://fake", transport=model) as ranker:
        ...     ranked = ranker.rank(None, {"item_id": ["a", "b"], "price": [2.5, 1.0]})
        >>> ranked.item_ids, model.predictions[0].inputs["price"].tolist()
        (('b', 'a'), [2.5, 1.0])
    """

    def __init__(
        self,
        answer: Answer,
        *,
        user: Kinds | None = None,
        item: Kinds | None = None,
        outputs: Sequence[str] | None = None,
        failures: Iterable[Exception] = (),
    ) -> None:
        names = outputs or (list(answer) if isinstance(answer, Mapping) else [SCORE])
        inputs = {**_make_tensors(user or {}, 1), **_make_tensors(item or {}, -1)}
        tensors = {name: TensorSpec(_NUMBER, (-1,)) for name in names}
        self.signature = Signature(inputs, tensors)
        self.predictions: list[Predict] = []
        self._answer = answer
        self._failures = list(failures)

    def send(self, operation: Operation[Any], timeout: float | None) -> Any:
        """Answers an operation, or raises the next failure."""
        match operation:
            case AskStatus():
                return (VersionStatus(1, "AVAILABLE", "OK", ""),)
            case AskMetadata():
                return ModelMetadata("fake", 1, {RANK: self.signature})
            case Predict():
                return self._predict(operation)
        raise TypeError(f"no answer to {operation!r}")

    async def asend(self, operation: Operation[Any], timeout: float | None) -> Any:
        """Answers an operation, or raises the next failure."""
        return self.send(operation, timeout)

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def _predict(self, operation: Predict) -> dict[str, Array]:
        self.predictions.append(operation)
        if self._failures:
            raise self._failures.pop(0)
        answer = self._answer
        outputs = answer if isinstance(answer, Mapping) else answer(operation.inputs)
        return {name: np.asarray(values) for name, values in outputs.items()}


class FakeClock(Clock):
    """Time that passes only by waiting, and waiting that takes none.

    Attributes:
        slept: seconds of every wait.

    Example:
        >>> clock = FakeClock()
        >>> clock.sleep(2.5)
        >>> clock.now(), clock.slept
        (2.5, [2.5])
    """

    def __init__(self) -> None:
        self._now = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._now += seconds

    def sleep(self, seconds: float) -> None:
        """Passes at once."""
        self.slept.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Passes at once."""
        self.sleep(seconds)


def _make_tensors(kinds: Kinds, rows: int) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(
            _NUMBER if kind is float else _TEXT, (rows, -1) if kind is list else (rows,)
        )
        for name, kind in kinds.items()
    }
