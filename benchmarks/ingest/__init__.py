"""What ingestion costs in CPU seconds, beside other ways to make the same tf.Examples."""
