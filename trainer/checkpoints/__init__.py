"""Checkpoints: what a killed training goes on from.

`options` is the YAML's section and `folder` the files of one training on disk; neither imports
TensorFlow, nor do `file`, one checkpoint's format, and `progress`, its document. `fingerprint`
says which training a checkpoint is of, `state` what of it is in one, `checkpointer` when it is
written and read.
"""
