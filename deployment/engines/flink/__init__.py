"""A Flink session cluster with Beam's job server, on loopback."""
