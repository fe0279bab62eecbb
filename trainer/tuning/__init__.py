"""Tuning: the options of a ranker are searched by keras-tuner, each trial a process of its own.

`options` is the YAML's section, `space` what it says about one role's configuration,
`objective` the number that is maximised, `trial` one training, `oracle` and `tuner` the search,
`tuner_fn` the way in for TFX. Candidate and baseline are searched alike (docs/tuning.md).
"""
