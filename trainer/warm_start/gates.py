"""What a base's gates had decided, over the experts and at the temperature of now."""

from collections.abc import Mapping

import numpy as np

from trainer.checkpoints.file import Array
from trainer.gates.dselect_k import OPEN
from trainer.gates.smooth_step import LAST_OPEN
from trainer.warm_start.axes import BITS, INPUTS, SELECTORS
from trainer.warm_start.bundle import Base
from trainer.warm_start.matching import Match
from trainer.warm_start.selectors import recode, scale_logits, widen_bits, widen_logits
from trainer.warm_start.variables import CODES, GateFacts, Named

_MAX_BITS = 16


class GatesOfBase:
    """Carries over those weights of gates that mean nothing without their experts.

    Args:
        base: that a ranker starts from.
        gates: of the ranker.
        matches: of each axis that has labels.
        keeps: whether what is binary stays so; else bits are open again, on the side on which
            they were, and selectors of softmax as sharp as their logits are at the temperature
            of the start.
    """

    def __init__(
        self,
        base: Base,
        gates: Mapping[str, GateFacts],
        matches: Mapping[str, Match],
        keeps: bool,
    ) -> None:
        self._base = base
        self._gates = gates
        self._matches = matches
        self._keeps = keeps

    def adapt(self, name: str, own: Named, value: Array) -> Array | None:
        """A weight whose last axis is that of now; NaN where it is to be fresh.

        Args:
            name: of the weight.
            own: the ranker's.
            value: the base's.

        Returns:
            None if all of it is to be fresh.
        """
        facts = self._gates[own.gate]
        experts = self._matches.get(facts.experts)
        if experts is None or not len(experts.old):
            return None
        wide = value.astype(np.float64)
        if own.axes[-1] == BITS:
            adapted = self._bits(own, facts, wide, experts)
        else:
            if value.shape[-1] != experts.sizes[0]:
                raise self._base.broken(f"{name} must have a place for each expert")
            adapted = widen_logits(wide, experts)
            if SELECTORS in own.axes:
                adapted = scale_logits(adapted, self._factor(own.gate, facts))
        if adapted is not None and np.isinf(adapted.astype(value.dtype)).any():
            raise self._base.broken(f"{name} must be finite over its temperature")
        return None if adapted is None else adapted.astype(value.dtype)

    def _bits(self, own: Named, facts: GateFacts, z: Array, experts: Match) -> Array | None:
        num_bits, now = own.shape[-1], float(facts.gate.temperature())
        codes = self._codes(own.gate, z.shape[-1], experts.sizes[0])
        if not facts.gate.per_example:
            reach = None if self._keeps else OPEN
            over = z / self._temperature(own.gate)
            return now * recode(over, codes, experts, num_bits, LAST_OPEN, reach)
        if not experts.is_prefix:
            return None
        is_kernel = own.axes[0] == INPUTS
        fill = 0.0 if is_kernel else -now * (1.0 if self._keeps else OPEN)
        return widen_bits(z * self._factor(own.gate, facts), num_bits, fill)

    def _factor(self, gate: str, facts: GateFacts) -> float:
        if not self._keeps:
            return 1.0
        return float(facts.gate.temperature()) / self._temperature(gate)

    def _temperature(self, gate: str) -> float:
        known = self._base.layout.temperatures.get(gate)
        if known is None:
            raise self._base.broken(f"{gate} must have a temperature")
        return known

    def _codes(self, gate: str, num_bits: int, num_experts: int) -> Array:
        """The expert of each code of the base, [2^m]."""
        name = f"{gate}/{CODES}"
        weight = self._base.layout.weights.get(name)
        is_as_asked = weight is not None and (weight.dtype, weight.axes) == ("int64", (CODES,))
        if not is_as_asked or num_bits > _MAX_BITS:
            raise self._base.broken(f"{name} must say the expert of each code")
        codes = self._base.read(name)
        is_known = (codes >= -1) & (codes < num_experts)
        if codes.shape != (2**num_bits,) or not is_known.all():
            raise self._base.broken(f"{name} must say the expert of each code")
        return codes
