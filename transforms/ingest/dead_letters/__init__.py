"""Rows that are refused: why, how they are collected, and the files that they end in."""
