"""Where the logs are and how they become examples: the `logs` section of the YAML."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from transforms.section import Duration, Name, Section

TimeUnit = Literal["s", "ms", "us"]


class Split(Section):
    """Which impressions the model never sees in training.

    Attributes:
        by: `user` or `request` keep all impressions of one on the same side, by a stable
            hash; `time` evaluates on the latest impressions.
        eval_fraction: share of users, requests or (by time) impressions to evaluate on.
        eval_last: by time: evaluate on the last so much time of the logs, for example
            `1d`, in place of `eval_fraction`.
        salt: changes the hash, and with it who is on which side.
    """

    by: Literal["user", "request", "time"] = "user"
    eval_fraction: float = Field(0.1, gt=0.0, lt=1.0)
    eval_last: Duration | None = None
    salt: str = ""

    @model_validator(mode="after")
    def _last_is_by_time(self) -> "Split":
        if self.eval_last is not None and self.by != "time":
            raise ValueError(f"`eval_last` needs `by: time`. Received: by={self.by}")
        return self


class DeadLetters(Section):
    """How much of the logs may be refused before the run stops (exit code 3).

    Attributes:
        max_ratio: refused rows / rows read, in [0, 1].
    """

    max_ratio: float = Field(0.01, ge=0.0, le=1.0)


class Logs(Section):
    """The `logs` section.

    Attributes:
        adapter: `canonical` (impressions and feedback), `kuairand` or `movielens`.
        path: the folder of the logs; `--logs` on the command line goes before it.
        split: train and eval.
        dead_letters: how many refused rows are too many.
        clock_skew: feedback up to this much before its impression is taken as at the
            impression's time; earlier feedback goes to the dead letters.
        timestamp_unit: of timestamps given as plain integers.
        known_after: columns known only after the impression; no feature may use them.
        partitions: how many partitions the join runs in; also the number of shards. About
            100,000 impressions a partition are best.
        gzip_level: of the examples' files, 1 to 9. With 0 they are not compressed: eight
            times as large for two thirds of the CPU.
    """

    adapter: Literal["canonical", "kuairand", "movielens"] = "canonical"
    path: str | None = None
    split: Split = Split()
    dead_letters: DeadLetters = DeadLetters()
    clock_skew: Duration = timedelta(seconds=5)
    timestamp_unit: TimeUnit = "ms"
    known_after: tuple[Name, ...] = ()
    partitions: int = Field(4, ge=1, le=65536)
    # Level 6, zlib's own choice, costs twice the CPU for a sixth less of bytes.
    gzip_level: int = Field(1, ge=0, le=9)
