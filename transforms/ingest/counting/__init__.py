"""What became of every row: tallied by workers, added up, named, and checked."""
