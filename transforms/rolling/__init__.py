"""Rolling ingestion: each day of logs is ingested once, and a window of days is trained on.

An impression belongs to the span of its time. Ingesting a span needs three things:

    its files           those of its newest version, by `logs.spans.input`
    feedback around it  of the neighbouring spans, as far as attribution windows reach
    yesterday's state   what histories knew at the end of the span before

and makes a folder of examples that never changes again. If one of the three changes, for
example because late data came as a newer version, the span is ingested again beside it, and
so are the later ones if they go on from its state.

    inputs     what is read for a span
    store      the folders of ingested spans
    roll       brings the spans up to date that are not
    window     the newest version of each of the last spans, as one set of examples
"""
