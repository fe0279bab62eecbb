"""Floor 1: what a log row means, and its way from log files to tf.Examples.

Every package of gaterank imports this one first, so the one process-wide switch that
must precede any TensorFlow import lives here: tensorflow-recommenders, and training with
MultiWorkerMirrored and ParameterServer strategies, need Keras 2 (tf_keras). See ADR 0002.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
