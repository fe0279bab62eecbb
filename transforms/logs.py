"""Where the logs are and how they become examples: the `logs` section of the YAML."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from transforms.section import Duration, Name, Section
from transforms.spans.pattern import compile_pattern

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
    """How much of the logs may be refused before the run stops.

    Attributes:
        max_ratio: refused rows / rows read, in [0, 1]; more is exit code 3.
        max_unreadable_files: files that break off, so that nobody knows how many rows are
            lost with their rest; more is exit code 2.
    """

    max_ratio: float = Field(0.01, ge=0.0, le=1.0)
    max_unreadable_files: int = Field(0, ge=0)


class Spans(Section):
    """Dated logs that are ingested day by day: see `transforms.spans` and docs/ingestion.md.

    Attributes:
        input: which files belong to which day, as a pattern of paths below the logs' folder
            with `{SPAN}` or `{YYYY}`, `{MM}`, `{DD}`, and `{VERSION}` if days have versions.
        window: how many days are trained on: the last ones.
    """

    input: str = Field("*/{YYYY}-{MM}-{DD}/*", max_length=1000)
    window: int = Field(7, ge=1, le=10_000)

    @model_validator(mode="after")
    def _input_is_a_pattern(self) -> "Spans":
        compile_pattern(self.input)
        return self


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
        events: all the events that may be emitted; another one is a dead letter. By default any
            may be, and what no label needs is only counted.
        known_after: columns known only after the impression; no feature may use them.
        partitions: how many partitions the join runs in; also the number of shards. About
            100,000 impressions a partition are best.
        gzip_level: of the examples' files. 1 to 3 are ISA-L's, five times as fast as zlib at
            the same size, and 4 to 9 zlib's, a tenth smaller. With 0 they are not compressed,
            but eight times as large.
        spans: set to ingest day by day (`canonical` only); by default all logs are one.
    """

    adapter: Literal["canonical", "kuairand", "movielens"] = "canonical"
    path: str | None = None
    split: Split = Split()
    dead_letters: DeadLetters = DeadLetters()
    clock_skew: Duration = timedelta(seconds=5)
    timestamp_unit: TimeUnit = "ms"
    events: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = ()
    known_after: tuple[Name, ...] = ()
    partitions: int = Field(4, ge=1, le=65536)
    # Level 6, zlib's own choice, costs ten times the CPU for an eighth less of bytes.
    gzip_level: int = Field(2, ge=0, le=9)
    spans: Spans | None = None

    @model_validator(mode="after")
    def _spans_fit(self) -> "Logs":
        if self.spans is None:
            return self
        if self.adapter != "canonical":
            raise ValueError(f"`spans` need `adapter: canonical`. Received: {self.adapter}")
        if self.split.by == "time" and self.eval_spans >= self.spans.window:
            raise ValueError(
                "by time, at least one day of `spans.window` must be left to train on. "
                f"Received: window={self.spans.window}, {self.eval_spans} to evaluate on"
            )
        return self

    @property
    def eval_spans(self) -> int:
        """By time: how many of the last days of the window are the eval split."""
        assert self.spans is not None
        if self.split.eval_last is not None:
            return max(1, round(self.split.eval_last / timedelta(days=1)))
        return max(1, round(self.split.eval_fraction * self.spans.window))
