"""Gives a ranker the weights of an earlier one, and says what it took."""

import logging
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_transform as tft

from trainer.checkpoints.file import Array
from trainer.config import TrainerConfig
from trainer.model.ranker import Ranker
from trainer.warm_start.axes import Words, find_words, is_of_words, label_axes
from trainer.warm_start.bundle import Base, Weight, reading_base, write_base
from trainer.warm_start.gates import GatesOfBase
from trainer.warm_start.matching import Match, carry_over, fill_rows, match_all, match_labels
from trainer.warm_start.variables import CODES, Named, find_gates, name_weights
from transforms.features import CategoricalFeature

_LOG = logging.getLogger("gaterank.train")


def read_words(config: TrainerConfig, transform: tft.TFTransformOutput) -> dict[str, list[bytes]]:
    """Feature -> its vocabulary, by falling frequency, of each that has one.

    Args:
        config: with the features.
        transform: the analysed transform graph.
    """
    return {
        name: transform.vocabulary_by_name(name)
        for name, feature in config.features.items()
        if isinstance(feature, CategoricalFeature) and feature.has_vocabulary
    }


def save_base(ranker: Ranker, transform: tft.TFTransformOutput, folder: Path) -> None:
    """Writes what a later training can begin from.

    Args:
        ranker: the trained model, of plain variables.
        transform: the analysed transform graph.
        folder: gets the file.
    """
    words = read_words(ranker.config, transform)
    named, gates = name_weights(ranker, words), find_gates(ranker)
    found = {f"{name}/{CODES}": facts.codes() for name, facts in gates.items()}
    codes = {name: known for name, known in found.items() if known is not None}
    weights = {
        name: Weight(shape=one.shape, dtype=one.variable.dtype.name, axes=one.axes)
        for name, one in named.items()
    }
    weights |= {
        name: Weight(shape=known.shape, dtype=known.dtype.name, axes=(CODES,))
        for name, known in codes.items()
    }
    temperatures = {name: float(facts.gate.temperature()) for name, facts in gates.items()}
    arrays = chain(((name, one.value()) for name, one in named.items()), codes.items())
    write_base(folder, weights, label_axes(ranker.config, words), temperatures, arrays)


def start_from(ranker: Ranker, transform: tft.TFTransformOutput, path: Path) -> dict[str, Any]:
    """Takes over what is the same in a base, whatever place it has there.

    What the base has not stays as it was initialised. Nothing is taken of the optimizer, nor of
    what a gate counts: both are of the training that ended.

    Args:
        ranker: built, with fresh weights; under any strategy, in its scope.
        transform: the analysed transform graph of what it is to be trained on.
        path: of the base.

    Returns:
        For the record: names of weights that were `mapped` (whole or in part), are `fresh`, or were
        `dropped`, and of each axis how many labels were kept, are new, and are gone.

    Raises:
        BrokenCheckpointError: if the base is not whole, or has numbers that are none.
        InputError: if it cannot be read.
    """
    words = read_words(ranker.config, transform)
    with reading_base(path) as base:
        start = _Start(ranker, words, base)
        report = start.run()
    rows = "; ".join(
        f"{axis} {n['kept']} kept, {n['new']} new, {n['gone']} gone"
        for axis, n in report["axes"].items()
        if n["new"] or n["gone"]
    )
    _LOG.info(
        "starts from %s: %d of %d weights%s%s",
        path.parent,
        len(report["mapped"]),
        len(report["mapped"]) + len(report["fresh"]),
        f", fresh {', '.join(report['fresh'])}" if report["fresh"] else "",
        f"; {rows}" if rows else "",
    )
    return report


class _Start:
    """One warm start.

    Args:
        ranker: that starts.
        words: feature -> its vocabulary.
        base: that it starts from.
    """

    def __init__(self, ranker: Ranker, words: Words, base: Base) -> None:
        self.base = base
        self.training = ranker.config.training
        self.named = name_weights(ranker, words)
        self.labels = label_axes(ranker.config, words)
        self.matches = {
            axis: match_labels(base.labels(axis), own)
            for axis, own in self.labels.items()
            if axis in base.layout.labels
        }
        keeps = self.training.base_gates == "keep"
        self.past = GatesOfBase(base, find_gates(ranker), self.matches, keeps)

    def run(self) -> dict[str, Any]:
        """Assigns what there is of the base; what was done."""
        there = self.base.layout.weights
        # First all that can be refused: a base is taken as a whole, or not at all.
        found = {name: self._carry(name, w) for name, w in self.named.items() if name in there}
        mapped = []
        for name, value in found.items():
            if value is not None:
                variable = self.named[name].variable
                variable.assign(value.reshape(tuple(variable.shape)))
                mapped.append(name)
        codes = {name for name, weight in there.items() if weight.axes == (CODES,)}
        return {
            "mapped": mapped,
            "fresh": [name for name in self.named if name not in mapped],
            "dropped": [name for name in there if name not in {*mapped, *codes}],
            "axes": dict(self._describe_axes()),
        }

    def _describe_axes(self) -> Iterator[tuple[str, dict[str, int]]]:
        used = {axis for weight in self.named.values() for axis in weight.axes}
        for axis, match in self.matches.items():
            if axis in used:
                yield axis, match.describe()

    def _carry(self, name: str, own: Named) -> Array | None:
        """The ranker's weight with what the base has of it; None if that is nothing."""
        weight = self.base.layout.weights[name]
        if weight.dtype != own.variable.dtype.name or weight.axes != own.axes:
            return None
        value = self.base.read(name)
        if not np.isfinite(value).all():
            raise self.base.broken(f"{name} must be finite")
        if own.depends_on_experts:
            adapted = self.past.adapt(name, own, value)
            if adapted is None:
                return None
            value = adapted
        matches = self._match_axes(own, value.shape)
        carried = None if matches is None else carry_over(value, own.value(), matches)
        if carried is None or matches is None or self.training.new_rows == "fresh":
            return carried
        return self._fill(carried, own.axes[0], value, matches[0])

    def _fill(self, table: Array, axis: str, base: Array, rows: Match) -> Array:
        if not is_of_words(axis):
            return table
        known = find_words(self.base.labels(axis))
        return fill_rows(table, rows, find_words(self.labels[axis]), base[known])

    def _match_axes(self, own: Named, shape: tuple[int, ...]) -> list[Match] | None:
        """Of each axis; None if one without labels is of another size."""
        matches = []
        for i, (axis, size, own_size) in enumerate(zip(own.axes, shape, own.shape, strict=True)):
            # The last axis of what depends on experts is that of now already.
            is_now = own.depends_on_experts and i == len(shape) - 1
            match = match_all(size) if is_now else self._match(axis, size, own_size)
            if match is None:
                return None
            matches.append(match)
        return matches

    def _match(self, axis: str, size: int, own_size: int) -> Match | None:
        """None if an axis without labels is of another size."""
        if axis not in self.labels:
            return match_all(size) if size == own_size else None
        match = self.matches.get(axis)
        if match is None or match.sizes != (size, own_size):
            raise self.base.broken(f"{axis:.100} must have as many labels as places")
        return match
