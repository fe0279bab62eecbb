"""What is predicted: the `tasks` section of the YAML, from feedback events to labels."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from transforms.section import Duration, Name, Section

TaskKind = Literal["classification", "regression"]
Aggregation = Literal["any", "count", "sum", "max", "last"]
LabelTransform = Literal["identity", "log1p"]


class Label(Section):
    """How feedback rows become one number an impression.

    Attributes:
        event: the feedback event that counts.
        aggregation: over the events inside the window: `any` (1 if one has value > 0),
            `count`, `sum` and `max` of the values, `last` value by time.
        window: attribution window; an event counts if
            0 <= event time - impression time <= window.
        default: the label of an impression without such an event, not yet transformed; by
            default 0 for `any`, `count` and `sum`, and no label (masked) for `max` and `last`.
        transform: applied to the label last: `identity` or `log1p`, log(1 + label).
        at_least: turns the aggregate into a 0/1 label: aggregate >= at_least.
        may_be_absent: accept logs in which nobody emits the event at all.
    """

    event: Name
    aggregation: Aggregation = "any"
    window: Duration = timedelta(days=1)
    default: float | None = None
    transform: LabelTransform = "identity"
    at_least: float | None = None
    may_be_absent: bool = False

    @property
    def value_without_event(self) -> float | None:
        """The untransformed label of an impression without the event, None if it has none."""
        if self.default is not None or self.aggregation in ("max", "last"):
            return self.default
        return 0.0


class Mask(Section):
    """For which impressions the label exists: all conditions given must hold.

    Attributes:
        event: only impressions that have this event inside the label's window.
        task: only impressions where this task's label exists and is above 0.
        column: only impressions whose column has one of the values `is_in`.
        is_in: the values, compared as text.
    """

    event: Name | None = None
    task: Name | None = None
    column: Name | None = None
    is_in: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_complete(self) -> "Mask":
        if (self.column is None) != (not self.is_in):
            raise ValueError("`column` and `is_in` go together")
        if self.event is None and self.task is None and self.column is None:
            raise ValueError("a mask needs `event`, `task`, or `column` with `is_in`")
        return self


class Chain(Section):
    """What a task takes over from the task that comes before it.

    Attributes:
        after: the task before.
        kind: `esmm` predicts p(this) = p(after) p(this | after), trained on all impressions;
            `aitm` lets the task's tower read the other one's, by attention.
        expectation_weight: `aitm` between classification tasks: the penalty on predicting
            more for this task than for the one before, which it can only follow.
    """

    after: Name
    kind: Literal["esmm", "aitm"]
    expectation_weight: float = Field(0.0, ge=0.0, le=1e6)


class Task(Section):
    """One thing to predict.

    Attributes:
        kind: `classification` (cross-entropy, the prediction is a probability) or
            `regression` (squared error in the label's transformed space).
        group: tasks of one group are shown and served together.
        weight: of the task's loss in the objective.
        label: how the label is made.
        mask: for which impressions it exists; by default for all.
        chain: what it takes over from another task; by default nothing.
    """

    kind: TaskKind
    group: Name
    weight: float = Field(1.0, gt=0.0, le=1e6)
    label: Label
    mask: Mask | None = None
    chain: Chain | None = None

    @model_validator(mode="after")
    def _label_fits_kind(self) -> "Task":
        binary = self.label.aggregation == "any" or self.label.at_least is not None
        if self.kind == "classification" and not binary:
            raise ValueError(
                "a classification label must be 0 or 1: use `aggregation: any` or `at_least`. "
                f"Received: aggregation={self.label.aggregation}"
            )
        if self.kind == "classification" and self.label.transform != "identity":
            raise ValueError(
                "a classification label takes no transform. "
                f"Received: transform={self.label.transform}"
            )
        default = self.label.default
        if self.kind == "classification" and default not in (None, 0.0, 1.0):
            raise ValueError(
                f"a classification label must be 0 or 1. Received: default={default:g}"
            )
        if self.label.transform == "log1p" and default is not None and default < 0.0:
            raise ValueError(f"log1p needs a label of at least 0. Received: default={default:g}")
        return self


def check_tasks(tasks: Mapping[str, Task]) -> None:
    """Refuses chains and masks that lead nowhere or in a circle, and tasks they do not fit.

    Raises:
        ValueError: with the rule, the place and the value.
    """
    after = {name: task.chain.after for name, task in tasks.items() if task.chain}
    masks = {name: t.mask.task for name, t in tasks.items() if t.mask and t.mask.task}
    _check_ends(after, tasks, "chain: `after`")
    _check_ends(masks, tasks, "mask: `task`")
    for name, before in after.items():
        _check_link(f"{name}.chain", tasks[name], tasks[before])


def _check_ends(links: Mapping[str, str], tasks: Mapping[str, Task], setting: str) -> None:
    """Refuses a name that is none of a task's, and tasks that wait for each other."""
    for name in links:
        seen, other = [name], links.get(name)
        while other is not None:
            if other not in tasks:
                raise ValueError(
                    f"{seen[-1]}.{setting} must name a task. Received: {other!r}, "
                    f"tasks are {sorted(tasks)}"
                )
            if other in seen:
                raise ValueError(
                    f"{name}.{setting} must not lead back. Received: "
                    f"{' after '.join([*seen, other])}"
                )
            seen.append(other)
            other = links.get(other)


def _check_link(place: str, task: Task, before: Task) -> None:
    """Refuses two tasks that the kind of chain does not fit."""
    assert task.chain is not None
    is_probability = task.kind == before.kind == "classification"
    if task.chain.kind == "esmm":
        if not is_probability:
            raise ValueError(
                f"{place}: `esmm` multiplies probabilities: both tasks must be classification. "
                f"Received: {task.kind} after {before.kind}"
            )
        if task.mask is not None and (task.mask.event or task.mask.task):
            raise ValueError(
                f"{place}: `esmm` is trained on all impressions; take the task's mask away. "
                f"Received: mask by {task.mask.event or task.mask.task!r}"
            )
    if task.chain.expectation_weight and not (task.chain.kind == "aitm" and is_probability):
        raise ValueError(
            f"{place}: `expectation_weight` is for `aitm` between classification tasks. "
            f"Received: {task.chain.kind}, {task.kind} after {before.kind}"
        )


def _check_all(tasks: dict[str, Task]) -> dict[str, Task]:
    check_tasks(tasks)
    return tasks


Tasks = Annotated[
    dict[Name, Task], Field(min_length=1, max_length=1000), AfterValidator(_check_all)
]
