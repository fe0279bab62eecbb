"""A model that tells how long its graph takes."""

import time
from collections.abc import Callable, Mapping, Sequence

from serving.server.inference.predict import Model
from serving.server.signatures import Array, Signature


class MeasuredModel:
    """A loaded version whose runs are measured.

    Args:
        model: the version.
        record: is told the seconds of every run that succeeds.
    """

    __slots__ = ("_model", "_record", "name", "signature_bytes", "signatures", "version")

    def __init__(self, model: Model, record: Callable[[float], None]) -> None:
        self.name = model.name
        self.version = model.version
        self.signatures: Mapping[str, Signature] = model.signatures
        self.signature_bytes = model.signature_bytes
        self._model = model
        self._record = record

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        """Computes tensors of the graph; see `Model`."""
        start = time.perf_counter()
        arrays = self._model.run(feeds, fetches)
        self._record(time.perf_counter() - start)
        return arrays
