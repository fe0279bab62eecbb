"""Raw rows into checked rows: each column read as what it must be, or the row refused."""
