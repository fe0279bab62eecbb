"""From log files to sharded tf.Examples and dead letters, by Apache Beam over Arrow batches.

Start at `pipeline.py`, which is one page: it makes the plan (`make_plan.py`) that every
worker gets (`plan.py`) and runs the steps (`steps/`). The steps alone know Beam; each hands
whole columns to the room that knows the work, in the order in which a row passes through:

    adapters       which files a data set has, and how their rows become impressions
    reading        files -> raw rows
    casting        raw rows -> checked rows
    joining        checked rows of a partition -> labelled impressions, each in its split
    history        labelled impressions -> what was known of their user or item before
    writing        labelled impressions -> tf.Examples in TFRecord files
    dead_letters   why a row was refused, and the files in which it ends
    repairing      refused rows back out of the logs, for a person to repair
    counting       what became of every row
    rows           arrays, columns' names, hashes, partitions: what all of them hold

Arrows point one way; a room imports only rooms that stand before it in this line:

    rows, dead_letters, counting, reading, repairing, casting, adapters, joining, history, writing,
    plan, make_plan, steps, pipeline
"""
