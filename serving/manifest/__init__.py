"""What belongs to a model: a list of its files with their digests, and a signature of that list.

A push writes both beside the model (`document`, `write`), whoever loads a model checks them before
TensorFlow reads a byte of it (`check`); `keys` reads and uses the keys. docs/security.md says what
this keeps out, and what it does not. Imports no TensorFlow.
"""
