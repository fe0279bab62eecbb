"""Simulated logs with a known answer: which task needs which factor, and how well it can do.

`factors` and `world` have the formulas, `responses` the numbers, `simulate` writes the logs,
`truth` reads the answer and predicts as well as can be.
"""
