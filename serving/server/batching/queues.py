"""Which requests wait for which batch: no threads and no clock here."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from serving.server.batching.parameters import BatchingParameters
from serving.server.signatures import Array
from serving.server.status import Code, ServingError, invalid_argument

Run = Callable[[Mapping[str, Array]], list[Array]]
_FULL = "The batch scheduling queue to which this task was submitted is full; "


@dataclass(eq=False, slots=True)
class Part:
    """Rows of one request that are computed in one batch.

    Attributes:
        feeds: tensor name -> array [size, ...].
        size: rows.
        arrived: when the request came.
        is_slice: whether the request has other parts.
        answer: its fetched arrays, once computed.
    """

    feeds: Mapping[str, Array]
    size: int
    arrived: float
    is_slice: bool = False
    answer: Future[list[Array]] = field(default_factory=Future)


@dataclass(eq=False, slots=True)
class Batch:
    """Parts that are computed together.

    Attributes:
        run: computes the fetches of all of them.
        opened: when the first came.
        parts: in order of arrival.
        size: rows.
    """

    run: Run
    opened: float
    parts: list[Part] = field(default_factory=list)
    size: int = 0


class Queues:
    """A queue of batches for every kind of requests that can be joined.

    The last batch of a queue is open: it takes more requests until it is full, its time is
    over, or the next is opened. A queue without a batch takes no memory.

    Args:
        parameters: sizes and times.
    """

    def __init__(self, parameters: BatchingParameters) -> None:
        self._parameters = parameters
        self._timeout = parameters.batch_timeout_micros / 1e6
        self._size = parameters.execution_size()
        self._queues: OrderedDict[Hashable, deque[Batch]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def add(
        self, kind: Hashable, run: Run, feeds: Mapping[str, Array], size: int, now: float
    ) -> list[Part]:
        """Puts a request into the open batch of its kind, or a new one.

        Args:
            kind: equal for requests that can be joined.
            run: computes a batch of this kind.
            feeds: tensor name -> array [size, ...].
            size: rows, at least 1.
            now: the time.

        Returns:
            The request's parts in order of its rows; one, unless requests are split.

        Raises:
            ServingError: INVALID_ARGUMENT if the request is too large, UNAVAILABLE if the
                queue is full.
        """
        queue = self._queues.get(kind, deque())
        filled = queue[-1].size if queue else 0
        self._check(size, max(len(queue), 1), filled)
        slices = self._split(feeds, size, self._size - filled)
        parts = [Part(*rows, now, len(slices) > 1) for rows in slices]
        for part in parts:
            if not queue or queue[-1].size + part.size > self._size:
                queue.append(Batch(run, now))
            queue[-1].parts.append(part)
            queue[-1].size += part.size
        self._queues.setdefault(kind, queue)
        return parts

    def take(self, now: float) -> Batch | None:
        """The next batch to compute, of all queues by turns; None if none is due."""
        for kind, queue in self._queues.items():
            if len(queue) > 1 or queue[0].size >= self._size or now >= self._due(queue):
                batch = queue.popleft()
                self._queues.move_to_end(kind)
                if not queue:
                    del self._queues[kind]
                return batch
        return None

    def next_time(self) -> float | None:
        """When an open batch is due that nothing more may come for; None if there is none."""
        return min(map(self._due, self._queues.values()), default=None)

    def _due(self, queue: deque[Batch]) -> float:
        return queue[0].opened + self._timeout

    def _check(self, size: int, batches: int, filled: int) -> None:
        limits = self._parameters
        if size > limits.max_batch_size:
            raise invalid_argument(
                f"Task size {size} is larger than maximum input batch size {limits.max_batch_size}"
            )
        most = limits.max_enqueued_batches
        if not limits.enable_large_batch_splitting:
            if filled + size > self._size and batches >= most:
                raise ServingError(
                    Code.UNAVAILABLE,
                    f"{_FULL}currently {batches} batches enqueued and max_enqueued_batches is "
                    f"{most}",
                )
            return
        capacity = (most - batches) * self._size + self._size - filled
        if size > capacity:
            raise ServingError(
                Code.UNAVAILABLE,
                f"{_FULL}task size is {size} but scheduling capacity is only {capacity} "
                f"(num_enqueued_batches={batches}, max_enqueued_batches={most}, "
                f"open_batch_size={filled}, max_execution_batch_size={self._size})",
            )

    def _split(
        self, feeds: Mapping[str, Array], size: int, room: int
    ) -> list[tuple[Mapping[str, Array], int]]:
        """The rows that fill the open batch, then those of further batches."""
        if size <= room or not self._parameters.enable_large_batch_splitting:
            return [(feeds, size)]
        starts = [*([0] if room else []), *range(room, size, self._size)]
        ends = [*starts[1:], size]
        return [
            ({name: array[start:end] for name, array in feeds.items()}, end - start)
            for start, end in zip(starts, ends, strict=True)
        ]
