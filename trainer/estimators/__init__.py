"""Estimators: which experts compute which examples when each has room for only c of them.

The target is the mean over a batch of E_{j ~ p(.|x)} g(x, j), where g is a loss, an output or a
gradient term, and an expert computes at most c of the B examples. A router turns logits into
weights [B, n], of which at most c a column are not zero; the estimate is
(1/B) sum_i sum_j weights_ij g_ij. `skip` and `balanced` are unbiased; the others are what
is commonly done instead. Routing is discrete and runs in NumPy, from a seeded generator;
`skip` runs in TensorFlow too.

Reference: Kool, Maddison, Mnih 2021, arXiv 2109.11817.
"""
