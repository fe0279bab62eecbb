"""What was ranked, written down as impressions for the next training."""
