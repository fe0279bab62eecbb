"""Floor 5: what gaterank is run on; thin entry points only."""
