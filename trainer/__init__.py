"""Floor 2: gates, experts, towers, the ranker, its training and its export."""

import transforms  # noqa: F401  (selects Keras 2 before TensorFlow is imported)
