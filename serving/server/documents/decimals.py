"""Floats as the decimals that TensorFlow Serving writes: 6 digits if they suffice, else 9."""

import numpy as np
import numpy.typing as npt

# Between these, a power of ten that moves 9 digits before the point is exact in a double.
_SMALLEST, _LARGEST = 1e-13, 1e15
_LOWEST, _HIGHEST = -14, 16
_POWERS = np.array([float(f"1e{n}") for n in range(_LOWEST, _HIGHEST + 1)])
_SCALES = np.array([float(f"1e{n}") for n in range(24)])


def shorten(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The doubles whose shortest decimals are those written for float32 values.

    A float32 is written with 6 significant digits if they read back as the same
    float32, else with 9.

    Args:
        values: any shape.

    Returns:
        Doubles of the same shape; infinite and NaN values as they are.

    Example:
        >>> shorten(np.array([0.1, 16777216.0, 5.003], np.float32)).tolist()
        [0.1, 16777216.0, 5.003]
    """
    doubles = values.astype(np.float64)
    size = np.abs(doubles)
    usual = (size < _LARGEST) & ((size >= _SMALLEST) | (size == 0.0))
    if usual.all():
        return _shorten_usual(doubles, values)
    result = doubles.copy()
    result[usual] = _shorten_usual(doubles[usual], values[usual])
    odd = ~usual & np.isfinite(doubles)
    result[odd] = [_shorten_one(value) for value in values[odd]]
    return result


def _shorten_usual(
    doubles: npt.NDArray[np.float64], values: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    # magnitude m: 10^m <= |x| < 10^(m + 1)
    magnitude = np.searchsorted(_POWERS, np.abs(doubles), side="right") - 1 + _LOWEST
    six = _round(doubles, magnitude, 6)
    return np.where(six.astype(np.float32) == values, six, _round(doubles, magnitude, 9))


def _round(
    doubles: npt.NDArray[np.float64], magnitude: npt.NDArray[np.intp], digits: int
) -> npt.NDArray[np.float64]:
    shift = digits - 1 - magnitude
    up, down = _SCALES[np.maximum(shift, 0)], _SCALES[np.maximum(-shift, 0)]  # one of them is 1
    # The quotient of two exact doubles is the double nearest to the decimal.
    rounded: npt.NDArray[np.float64] = np.rint(doubles * up / down) / up * down
    return rounded


def _shorten_one(value: np.float32) -> float:
    six = float(f"{value:.6g}")
    return six if np.float32(six) == value else float(f"{value:.9g}")
