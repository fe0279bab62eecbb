"""Gates: how much of each expert each task uses."""
