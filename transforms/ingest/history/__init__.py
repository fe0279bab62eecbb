"""History: numbers and words that say of each impression what was known of its key before.

A label of impression j is known at `known_at_j`: the latest of its impression and of the
events that made it (a label without events is known at its impression). For impression i
and the impressions j of the same key with known_at_j < time_i, strictly:

    mean = (sum of labels + k * prior) / (number of labels + k)

where labels are in their transformed space, masked ones are left out, and the prior is the
label's mean over all impressions, of every key, known before the hour of time_i began.
Nothing is there before any label is known. `count`, `hours_since` and `age` look at impressions
with time_j < time_i, a sequence at those with a positive label and known_at_j < time_i.
Impressions of the same millisecond, and so of the same request, never see each other.

What is known at the end is written as a file. Ingestion of later logs can start from it;
impressions up to the file's end ignore it, for it holds their future.

Here is the arithmetic, on the rows of some keys in a stretch of time: `keys` says what they are,
`known` puts them on one timeline, `sums`, `windows` and `sequences` answer what is before a
place on it, `statistics` tells each impression, `carry` and `past` are the state at the end and at
the start, `state` and `opening` its file. `steps.make_histories` brings the rows together.
"""
