"""What became of every row: tallied by the workers, added up, checked, written as JSON."""

from pydantic import ValidationError

from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.examples import SPLITS
from transforms.ingest.counting.tally import Tally
from transforms.section import Section, format_time
from transforms.storage import read_whole

COUNTS_FILE = "counts.json"
_MAX_BYTES = 64 << 20


class ImpressionCounts(Section):
    """Rows of impressions; `read` is the sum of the others.

    Attributes:
        read: all.
        examples: written.
        duplicates: of an impression that is an example.
        dead: in the dead letters.
    """

    read: int
    examples: int
    duplicates: int
    dead: int


class FeedbackCounts(Section):
    """Rows of feedback; `read` is the sum of the others.

    Attributes:
        read: all; with `logs.spans` also those of other days that name an impression.
        attributed: part of some label, or of some mask.
        duplicates: equal in all columns to another row.
        outside_window: later than every window that its event has.
        unused: of an event that no label and no mask needs.
        other_spans: with `logs.spans`: of impressions that can be of the day before or after.
        dead: in the dead letters.
    """

    read: int
    attributed: int
    duplicates: int
    outside_window: int
    unused: int
    other_spans: int
    dead: int


class LabelCounts(Section):
    """A task's labels in one split.

    Attributes:
        examples: with a label.
        positives: with a label above 0.
        mean_label: in the label's transformed space; None without examples.
    """

    examples: int
    positives: int
    mean_label: float | None


class TimeSpan(Section):
    """The examples' first and last time, ISO-8601 in UTC; None without examples."""

    first: str | None
    last: str | None


class IngestCounts(Section):
    """The whole of `counts.json`.

    Attributes:
        impressions: what became of them.
        feedback: what became of it.
        splits: examples of each split.
        dead_letters: reason -> rows.
        tasks: task -> split -> labels.
        missing: feature -> examples without it.
        time: of the examples.
        events: event -> feedback rows read.
        sources: file -> rows read.
        unreadable: file -> why it could not be read to its end.
        last_feedback: time of the latest feedback, ISO-8601 in UTC: up to then labels are known.
    """

    impressions: ImpressionCounts
    feedback: FeedbackCounts
    splits: dict[str, int]
    dead_letters: dict[str, int]
    tasks: dict[str, dict[str, LabelCounts]]
    missing: dict[str, int]
    time: TimeSpan
    events: dict[str, int]
    sources: dict[str, int]
    unreadable: dict[str, str]
    last_feedback: str | None = None


def make_counts(tally: Tally, config: DataConfig) -> IngestCounts:
    """Gives the totals their names."""
    outcomes = {kind: tally.under(kind) for kind in ("impressions", "feedback")}
    return IngestCounts(
        impressions=ImpressionCounts(**_zeros(ImpressionCounts) | outcomes["impressions"]),
        feedback=FeedbackCounts(**_zeros(FeedbackCounts) | outcomes["feedback"]),
        splits={split: tally.count("splits", split) for split in SPLITS},
        dead_letters=tally.under("dead_letters"),
        tasks={
            task: {split: _label_counts(tally, task, split) for split in SPLITS}
            for task in config.tasks
        },
        missing={feature: tally.count("missing", feature) for feature in config.features},
        time=TimeSpan(first=_time(tally.first), last=_time(tally.last)),
        events=tally.under("events"),
        sources=tally.under("sources"),
        unreadable=dict(sorted(tally.unreadable.items())),
        last_feedback=_time(tally.last_feedback),
    )


def check_balance(counts: IngestCounts) -> None:
    """Asserts that no row is lost or counted twice.

    Raises:
        AssertionError: a bug of ingestion, not of the logs.
    """
    for kind in ("impressions", "feedback"):
        outcomes = dict(getattr(counts, kind))
        read = outcomes.pop("read")
        assert read == sum(outcomes.values()), f"{kind} do not balance: {read} read, {outcomes}"
    dead = counts.impressions.dead + counts.feedback.dead
    assert dead == sum(counts.dead_letters.values()), f"{dead} dead rows, {counts.dead_letters}"
    examples = counts.impressions.examples
    assert examples == sum(counts.splits.values()), f"{examples} examples, {counts.splits}"


def read_counts(folder: str) -> IngestCounts:
    """Reads `counts.json` from the folder of the dead letters.

    Raises:
        InputError: if there is no such file, or it holds something else.
    """
    path = f"{folder}/{COUNTS_FILE}"
    try:
        return IngestCounts.model_validate_json(read_whole(path, _MAX_BYTES))
    except ValidationError as error:
        raise InputError(f"{path}: must hold counts: {error}") from None


def _zeros(model: type[Section]) -> dict[str, int]:
    return dict.fromkeys(model.model_fields, 0)


def _label_counts(tally: Tally, task: str, split: str) -> LabelCounts:
    examples = tally.count("labels", task, split, "examples")
    total = tally.totals.get(("labels", task, split, "sum"), 0)
    return LabelCounts(
        examples=examples,
        positives=tally.count("labels", task, split, "positives"),
        mean_label=float(total / examples) if examples else None,
    )


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else format_time(milliseconds)
