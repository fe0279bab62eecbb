"""History: numbers that say, for each impression, what was known of its user or item before.

A label of impression j is known at `known_at_j`: the latest of its impression and of the
events that made it (a label without events is known at its impression). For impression i
and the impressions j of the same key with known_at_j < time_i, strictly:

    mean = (sum of labels + k * prior) / (number of labels + k)

where labels are in their transformed space, masked ones are left out, and the prior is the
label's mean over all impressions, of every key, known before the hour of time_i began.
Nothing is there before any label is known. `count` and `hours_since` look at impressions
with time_j < time_i. Impressions of the same millisecond, and so of the same request, never
see each other.

What is known at the end is written as a file. Ingestion of later logs can start from it;
impressions up to the file's end ignore it, for it holds their future.

Here is the arithmetic, on the rows of some keys; `steps.make_histories` brings them together.
"""
