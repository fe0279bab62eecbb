"""A Spark standalone cluster with Beam's job server, on loopback."""
