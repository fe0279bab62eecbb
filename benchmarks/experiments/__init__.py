"""The papers' experiments: one file each, one command each."""
