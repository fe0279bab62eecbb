"""TensorFlow Serving's names in a SavedModel: the trainer writes them, a server reads them."""

from pathlib import Path

EXTRA_FOLDER = "assets.extra"
"""What lies beside a model and is no part of its graph."""

WARM_UP_FILE = Path(EXTRA_FOLDER) / "tf_serving_warmup_requests"
"""Requests that a server answers to itself before it gives a version to users."""

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
"""The method names of the signatures that the APIs of these names can ask for."""
