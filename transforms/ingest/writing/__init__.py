"""Labelled impressions into bytes: tf.Examples, and TFRecord files of them."""
