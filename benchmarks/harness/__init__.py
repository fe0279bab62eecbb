"""What all benchmarks and experiments share."""
