"""Loading, warming, swapping and unloading versions of models."""
