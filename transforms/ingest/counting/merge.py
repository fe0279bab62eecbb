"""Counts of several ingestions as one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from transforms.examples import SPLITS
from transforms.ingest.counting.counts import (
    FeedbackCounts,
    ImpressionCounts,
    IngestCounts,
    LabelCounts,
    TimeSpan,
)


def merge_counts(parts: Sequence[IngestCounts]) -> IngestCounts:
    """Adds up counts.

    Args:
        parts: at least one, all made by one config.
    """
    times = [part.time for part in parts]
    return IngestCounts(
        impressions=ImpressionCounts(**_sum(dict(part.impressions) for part in parts)),
        feedback=FeedbackCounts(**_sum(dict(part.feedback) for part in parts)),
        splits=_sum(part.splits for part in parts),
        dead_letters=_sum(part.dead_letters for part in parts),
        tasks={
            task: {
                split: _add_labels(part.tasks[task][split] for part in parts) for split in SPLITS
            }
            for task in parts[0].tasks
        },
        missing=_sum(part.missing for part in parts),
        time=TimeSpan(
            first=min((time.first for time in times if time.first), default=None),
            last=max((time.last for time in times if time.last), default=None),
        ),
        events=_sum(part.events for part in parts),
        sources=_sum(part.sources for part in parts),
        unreadable={file: why for part in parts for file, why in part.unreadable.items()},
        last_feedback=max(
            (part.last_feedback for part in parts if part.last_feedback), default=None
        ),
    )


def as_one_split(counts: IngestCounts, split: str) -> IngestCounts:
    """The counts as if all examples were in one split."""
    nothing = LabelCounts(examples=0, positives=0, mean_label=None)
    tasks = {task: _add_labels(labels.values()) for task, labels in counts.tasks.items()}
    splits = dict.fromkeys(SPLITS, 0) | {split: sum(counts.splits.values())}
    return counts.model_copy(
        update={
            "splits": splits,
            "tasks": {
                task: dict.fromkeys(SPLITS, nothing) | {split: labels}
                for task, labels in tasks.items()
            },
        }
    )


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sums by name, in alphabetical order; a name stays, even with 0."""
    totals: Counter[str] = Counter()
    for part in parts:
        totals.update(part)
    return dict(sorted(totals.items()))


def _add_labels(parts: Iterable[LabelCounts]) -> LabelCounts:
    labels = list(parts)
    examples = sum(label.examples for label in labels)
    total = sum(label.mean_label * label.examples for label in labels if label.mean_label)
    return LabelCounts(
        examples=examples,
        positives=sum(label.positives for label in labels),
        mean_label=total / examples if examples else None,
    )
