"""What the eval split's labels are like, which a regression's quality is relative to."""

from collections.abc import Sequence

import numpy as np
import tensorflow_transform as tft

from trainer.dataset import Batches
from trainer.tuning.objective import LabelFacts
from transforms.examples import label_name, weight_name
from transforms.tasks import Tasks

_ROWS = 65_536


def measure_labels(files: Sequence[str], transform_dir: str, tasks: Tasks) -> dict[str, LabelFacts]:
    """Task -> count, mean and variance of its labels where they exist.

    Args:
        files: patterns of transformed examples.
        transform_dir: the analysed transform graph.
        tasks: the YAML's tasks.
    """
    sums = np.zeros([len(tasks), 3])  # count, sum, sum of squares
    batches = Batches(files, tft.TFTransformOutput(transform_dir), _ROWS)
    for batch in batches.epoch().as_numpy_iterator():
        for row, name in zip(sums, tasks, strict=True):
            labels = batch[label_name(name)][batch[weight_name(name)] > 0].astype(np.float64)
            row += len(labels), labels.sum(), np.square(labels).sum()
    return {name: _facts(*row) for name, row in zip(tasks, sums.tolist(), strict=True)}


def _facts(count: float, total: float, squares: float) -> LabelFacts:
    mean = total / count if count else 0.0
    # What is left of a constant label after the rounding of the squares is no variance.
    spread = squares / count - mean**2 if count else 0.0
    variance = spread if spread > 1e-9 * max(mean**2, 1e-30) else 0.0
    return LabelFacts(count=int(count), mean=mean, variance=variance)
