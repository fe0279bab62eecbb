"""A model that leaves what it ranks to the request log."""

import time
from collections.abc import Collection, Mapping, Sequence

from serving.server.inference.predict import Model
from serving.server.request_log.log import RequestLog
from serving.server.request_log.rows import Ranking
from serving.server.signatures import Array, Signature, TensorSpec
from serving.server.status import invalid_argument
from transforms.examples import IDS, ITEM_ID, RANK, SCORE

_MARK = "request_log:"


def logged(log: RequestLog | None, model: Model, signature: str, inputs: Collection[str]) -> Model:
    """The model; one that takes the ids of a ranking too, if the request has any.

    Args:
        log: None if there is none: then ids are inputs that the model does not know.
        model: a loaded version.
        signature: that the request names.
        inputs: names of the inputs that the request has.
    """
    known = model.signatures.get(RANK)
    if log is None or signature != RANK or known is None:
        return model
    ids = [name for name in IDS if name in inputs and name not in known.inputs]
    return _LoggedModel(log, model, known, ids) if ids else model


class _LoggedModel:
    """A loaded version whose signature `rank` has inputs that only the log reads.

    Args:
        log: gets what is ranked.
        model: the version.
        rank: its signature.
        ids: which of `IDS` the request has.
    """

    def __init__(self, log: RequestLog, model: Model, rank: Signature, ids: Sequence[str]) -> None:
        self.name, self.version = model.name, model.version
        self.signature_bytes = model.signature_bytes
        specs = {name: TensorSpec(_MARK + name, "string", (-1,)) for name in ids}
        extended = Signature({**rank.inputs, **specs}, rank.outputs, rank.defaults)
        self.signatures: Mapping[str, Signature] = {**model.signatures, RANK: extended}
        self._log, self._model, self._rank = log, model, rank

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        """Computes what is asked for, and all else that the log needs of a ranking."""
        ids = {n.removeprefix(_MARK): v for n, v in feeds.items() if n.startswith(_MARK)}
        if len(ids) < len(IDS):
            raise invalid_argument(
                f"A ranking is written down by {', '.join(IDS)}, all of them or none. "
                f"Received: {', '.join(ids)}"
            )
        own = {name: value for name, value in feeds.items() if not name.startswith(_MARK)}
        names = {alias: spec.name for alias, spec in self._rank.outputs.items()}
        asked = list(dict.fromkeys([*fetches, *names.values()]))
        found = dict(zip(asked, self._model.run(own, asked), strict=True))
        outputs = {alias: found[name] for alias, name in names.items()}
        _check(ids, len(outputs[SCORE]))
        if self._log.wants():
            inputs = {alias: own[spec.name] for alias, spec in self._rank.inputs.items()}
            now = time.time_ns() // 1_000_000
            self._log.offer(Ranking(self.name, self.version, now, ids, inputs, outputs))
        return [found[name] for name in fetches]


def _check(ids: Mapping[str, Array], candidates: int) -> None:
    for name, values in ids.items():
        size = candidates if name == ITEM_ID else 1
        if values.shape != (size,) or values.dtype != object:
            raise invalid_argument(
                f"Input {name} must be strings of shape [{size}], for the request log. "
                f"Received: {values.dtype} of shape {list(values.shape)}"
            )
