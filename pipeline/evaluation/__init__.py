"""Candidate against baseline on the eval split: metrics, intervals and the verdict."""
