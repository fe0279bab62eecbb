"""Warm start: a training that begins from the weights of an earlier one.

`options` are the words of the YAML. `axes` says what stands along an axis of a weight: words,
inputs, experts, tasks. `bundle` is what a model keeps of itself for that, one file; neither
imports TensorFlow, nor do `matching`, which carries an array over from old places to new ones, and
`selectors`, which does so with the binary codes of DSelect-k. `variables` names a ranker's
weights, `start` puts it all together.
"""
