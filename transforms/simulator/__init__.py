"""Simulated logs with a known answer: which task needs which factor, and how well it can do.

`world` has the formulas, `responses` the numbers, `simulate` writes the logs.
"""

from transforms.simulator.simulate import simulate
from transforms.simulator.truth import TaskTruth, Truth, best_predictions, read_truth

__all__ = ["TaskTruth", "Truth", "best_predictions", "read_truth", "simulate"]
