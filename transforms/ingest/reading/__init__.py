"""Files into batches of raw rows, as text or as Parquet has them; what is no row is refused."""
