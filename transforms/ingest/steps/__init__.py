"""Ingestion as Beam runs it: which room works on which piece of the plan, and what travels.

`read_logs` sends checked rows to the partitions of their requests; `write_examples` joins,
labels and writes each partition, with history features after the detour of
`make_histories`; `write_counts` adds up what all of them tallied. The other files are the
work on one piece, without Beam.
"""
