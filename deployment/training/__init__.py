"""A process of a training over several machines, which a scheduler started (TFJob, Vertex AI).

    python -m deployment.training CONFIG --examples DIR --out DIR

All of them are given the same command and see the same folders; TF_CONFIG tells each who it is.
The chief transforms the examples, as `gaterank train` does, and writes down what is trained; the
others wait for that, then all train together, and the chief moves the result to OUT.
"""
