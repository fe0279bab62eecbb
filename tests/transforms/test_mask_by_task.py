"""A task that is defined only where another task's label is above 0."""

import re

import numpy as np
import pyarrow as pa
import pytest

from transforms.config import DataConfig
from transforms.ingest.joining.labels import Feedback, known_after, make_labels
from transforms.tasks import Label, Mask, Task

MINUTE = 60_000


def make_config(**tasks: Task) -> DataConfig:
    features = {"age": {"of": "user", "kind": "numeric"}}
    return DataConfig.model_validate({"features": features, "tasks": tasks})


def task(event: str, mask: str | None = None, **label) -> Task:
    return Task(
        kind="classification",
        group="engagement",
        label=Label(event=event, **label),
        mask=Mask(task=mask) if mask else None,
    )


CONFIG = make_config(
    long=task("watch", aggregation="sum", at_least=40, window="1h"),
    like=task("like", "long", window="2h"),
    share=task("share", "like", window="2h"),
)


def make_feedback(*rows: tuple[int, str, float, int]) -> Feedback:
    """Rows of impression, event, value and delay."""
    owner, event, value, delay = zip(*rows, strict=True)
    events = [CONFIG.events.index(e) for e in event]
    return Feedback(np.array(owner), np.array(events), np.array(value), np.array(delay))


FEEDBACK = make_feedback(
    (0, "watch", 50, MINUTE),
    (0, "like", 1, 2 * MINUTE),
    (1, "watch", 10, MINUTE),
    (1, "like", 1, 2 * MINUTE),
    (2, "watch", 45, 5 * MINUTE),
    (3, "watch", 99, 90 * MINUTE),
)
SHOWN = pa.record_batch({"row": pa.array(range(4))})


def test_the_label_exists_only_where_the_other_one_is_positive():
    label, weight = make_labels("like", SHOWN, FEEDBACK, CONFIG)
    assert weight.tolist() == [1, 0, 1, 0], "the last watch came after its own label's window"
    assert label.tolist() == [1, 0, 0, 0]


def test_masks_follow_each_other():
    assert make_labels("share", SHOWN, FEEDBACK, CONFIG).weight.tolist() == [1, 0, 0, 0]


def test_it_is_known_once_the_other_label_is():
    known = known_after("like", 4, FEEDBACK, CONFIG)
    assert known.tolist() == [2 * MINUTE, 2 * MINUTE, 5 * MINUTE, 0]


@pytest.mark.parametrize(
    ("mask", "rule"),
    [
        ("nothing", "like.mask: `task` must name a task. Received: 'nothing'"),
        ("like", "like.mask: `task` must not lead back. Received: like after like"),
    ],
)
def test_a_mask_that_leads_nowhere_is_refused(mask, rule):
    with pytest.raises(ValueError, match=re.escape(rule)):
        make_config(long=task("watch"), like=task("like", mask))
