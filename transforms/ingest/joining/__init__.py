"""Checked rows of a partition into labelled impressions, each in its split."""
