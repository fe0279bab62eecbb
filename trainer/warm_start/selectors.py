"""What a gate had decided, over other experts. Imports no TensorFlow.

Logits of selectors mean something only beside the temperature (beta, tau) that they are
divided by. A gate that starts again has the temperature of its start, so they are scaled: what
was binary is as far out as beta, where the smooth step is flat, and stays binary; what was open
stays as open as it was.
"""

import numpy as np

from trainer.checkpoints.file import Array
from trainer.warm_start.matching import Match

# Of beta: surely outside of the smooth step, which ends at a half.
_FIRM = 1.0


def recode(
    z: Array, codes: Array, experts: Match, num_bits: int, last_open: float, reach: float | None
) -> Array:
    """The bits of static selectors, which choose the same experts at their new places.

    A binary selector is written anew, as the code of its expert. One that is open keeps its
    bits, and the bits that more experts need are 0; it is fresh if experts have moved. So is
    one whose expert is gone.

    Args:
        z: over beta, [T, k, m].
        codes: the expert of each code, [2^m]; -1 for none.
        experts: of a task.
        num_bits: m' of as many experts as there are now.
        last_open: |z| from which on a bit is binary.
        reach: how far out bits may be; None keeps what is binary so.

    Returns:
        Over beta, [T, k, m'], NaN where it is to be fresh.

    Example:
        >>> from trainer.warm_start.matching import match_all
        >>> recode(np.array([[[9.0]]]), np.arange(2), match_all(2), 1, 0.4998, None).tolist()
        [[[1.0]]]
    """
    limit = _FIRM if reach is None else reach
    is_binary = (np.abs(z) >= last_open).all(axis=-1, keepdims=True)  # [T, k, 1]
    code = ((z > 0.0) << np.arange(z.shape[-1])).sum(axis=-1)
    expert = codes[code]
    place = np.full(experts.sizes[0], -1)
    place[experts.old] = experts.new
    target = np.where(expert >= 0, place[expert], -1)[..., np.newaxis]
    bits = (target >> np.arange(num_bits)) & 1  # [T, k, m']
    written = np.where(bits > 0, limit, -limit)
    kept = np.full(written.shape, np.nan)
    if experts.is_prefix:
        kept = widen_bits(np.clip(z, -limit, limit), num_bits, -limit)
    sure = np.where(target >= 0, written, np.nan)
    recoded: Array = np.where(is_binary, sure, kept)
    return recoded


def widen_bits(z: Array, num_bits: int, fill: float) -> Array:
    """[.., m] -> [.., m'], m' >= m: codes with more leading bits, all of one value."""
    missing = num_bits - z.shape[-1]
    return np.pad(z, [*[(0, 0)] * (z.ndim - 1), (0, missing)], constant_values=fill)


def widen_logits(logits: Array, experts: Match) -> Array:
    """Logits [.., n] over the experts of now: new ones are as unlikely as the unlikeliest.

    So Top-k uses none of them yet, and they can become as likely as any.

    Args:
        logits: of the base's experts.
        experts: the base's and those of now.

    Example:
        >>> import pyarrow as pa
        >>> from trainer.warm_start.matching import match_labels
        >>> experts = match_labels(pa.array(["a", "b"]), pa.array(["new", "b", "a"]))
        >>> widen_logits(np.array([3.0, 1.0]), experts).tolist()
        [1.0, 1.0, 3.0]
    """
    low = logits.min(axis=-1, keepdims=True)
    widened = np.repeat(low, experts.sizes[1], axis=-1)
    widened[..., experts.new] = logits[..., experts.old]
    return widened


def scale_logits(logits: Array, factor: float) -> Array:
    """Logits of softmax selectors at another temperature, the largest at 0."""
    scaled: Array = (logits - logits.max(axis=-1, keepdims=True)) * factor
    return scaled
