"""From log files to sharded tf.Examples and dead letters, by Apache Beam over Arrow batches."""
