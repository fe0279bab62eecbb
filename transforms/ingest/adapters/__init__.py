"""From the files of a data set, as published, to canonical impressions and feedback."""
