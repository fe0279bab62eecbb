"""A model whose requests are computed together where that changes no answer."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

from serving.server.batching.scheduler import BatchScheduler
from serving.server.models.registry import ClosableModel
from serving.server.signatures import Array, Signature, TensorSpec, type_name


class BatchingModel:
    """A loaded version behind a batch scheduler.

    Requests are joined if they feed the same tensors, with rows of the same sizes, and fetch
    the same. Some run alone: those whose inputs have not the same number of rows, as one
    user's features and many candidates' have not; and those of a tensor whose first size the
    signature fixes, as it has no place for another request's rows.

    Args:
        model: the version.
        scheduler: shared by all models.
    """

    def __init__(self, model: ClosableModel, scheduler: BatchScheduler) -> None:
        self.name = model.name
        self.version = model.version
        self.signatures: Mapping[str, Signature] = model.signatures
        self.signature_bytes: bytes = model.signature_bytes
        self._model = model
        self._scheduler = scheduler
        self._pads = scheduler.parameters.pad_variable_length_inputs
        signatures = model.signatures.values()
        self._feeds = _growing(spec for one in signatures for spec in one.inputs.values())
        self._fetches = _growing(spec for one in signatures for spec in one.outputs.values())

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        """Computes tensors of the graph, alone or with other requests; see `Model`."""
        size = _common_size(feeds.values())
        if not size or not (feeds.keys() <= self._feeds and self._fetches.issuperset(fetches)):
            return self._model.run(feeds, fetches)
        wanted = tuple(sorted(set(fetches)))
        arrays = self._scheduler.run(
            (self, self._kind(feeds), wanted),
            lambda joined: self._model.run(joined, wanted),
            feeds,
            size,
        )
        found = dict(zip(wanted, arrays, strict=True))
        return [found[name] for name in fetches]

    def close(self) -> None:
        """Frees the model; no call may be running."""
        self._model.close()

    def _kind(self, feeds: Mapping[str, Array]) -> Hashable:
        """What must be equal of requests that are joined; if rows are padded, only their rank."""
        return tuple(
            (name, type_name(array), array.ndim if self._pads else array.shape[1:])
            for name, array in sorted(feeds.items())
        )


def _growing(specs: Iterable[TensorSpec]) -> frozenset[str]:
    """The names of the tensors whose first size is any."""
    return frozenset(
        spec.name for spec in specs if spec.shape is None or (spec.shape and spec.shape[0] < 0)
    )


def _common_size(arrays: Collection[Array]) -> int:
    """The rows that all arrays have; 0 if they differ or there are none."""
    sizes = {len(array) if array.ndim else 0 for array in arrays}
    return sizes.pop() if len(sizes) == 1 else 0
