"""Bulk scoring: a saved ranker over files of tf.Examples, on Beam's workers."""
