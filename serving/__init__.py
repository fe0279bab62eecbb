"""Floor 3: the TF-Serving-compatible server, the client and bulk scoring."""
