"""The words of the `training` section about a warm start. Imports no TensorFlow."""

from typing import Literal

Base = Literal["latest_blessed"]
NewRows = Literal["fresh", "mean"]
BaseGates = Literal["keep", "reopen"]
