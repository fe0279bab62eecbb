"""What every room holds in its hands: arrays, the columns' names, hashes, partitions."""
