"""Measures of repeated runs: means with standard errors, and how alike tasks' experts are."""

import numpy as np
import numpy.typing as npt


def mean_and_error(values: npt.ArrayLike) -> tuple[float, float]:
    """Mean and standard error of the mean; NaN where there is none.

    Example:
        >>> mean_and_error([1.0, 3.0])
        (2.0, 1.0)
    """
    array = np.asarray(values, np.float64)
    if array.size == 0:
        return float("nan"), float("nan")
    error = array.std(ddof=1) / np.sqrt(array.size) if array.size > 1 else float("nan")
    return float(array.mean()), float(error)


def show(values: npt.ArrayLike, digits: int = 3) -> str:
    """Mean and standard error as text.

    Example:
        >>> show([1.0, 3.0], 1)
        '2.0 ± 1.0'
    """
    mean, error = mean_and_error(values)
    return "-" if np.isnan(mean) else f"{mean:.{digits}f} ± {error:.{digits}f}"


def jaccard(selected: npt.NDArray[np.bool_], groups: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Mean |A and B| / |A or B| over pairs of related tasks, and over unrelated ones.

    Args:
        selected: which expert a task uses, [T, n].
        groups: [T]; tasks of one group are related.

    Example:
        >>> used = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], bool)
        >>> jaccard(used, np.array([0, 0, 1]))
        (0.5, 0.0)
    """
    sizes = selected.sum(axis=-1)
    both = selected.astype(int) @ selected.T.astype(int)  # [T, T]
    either = np.maximum(sizes[:, np.newaxis] + sizes - both, 1)
    first, second = np.triu_indices(len(groups), k=1)
    alike = (both / either)[first, second]
    related = groups[first] == groups[second]
    return _mean(alike[related]), _mean(alike[~related])


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(values.mean()) if values.size else float("nan")
