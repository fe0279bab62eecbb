"""Floor 4: the pipeline, its components, its evaluation and the command line."""

import transforms  # noqa: F401  (selects Keras 2 before TensorFlow is imported)
