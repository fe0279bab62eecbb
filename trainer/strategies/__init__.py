"""Distribution strategies: one word in the YAML, the same training everywhere.

The options come without TensorFlow; so do the cluster that TF_CONFIG describes and the
processes of a local one. `distribution` makes the strategy, `parts` cuts its input,
`asynchronous` is the training loop of parameter servers.
"""
