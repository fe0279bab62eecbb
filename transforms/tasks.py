"""What is predicted: the `tasks` section of the YAML, from feedback events to labels."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

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
        column: only impressions whose column has one of the values `is_in`.
        is_in: the values, compared as text.
    """

    event: Name | None = None
    column: Name | None = None
    is_in: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_complete(self) -> "Mask":
        if (self.column is None) != (not self.is_in):
            raise ValueError("`column` and `is_in` go together")
        if self.event is None and self.column is None:
            raise ValueError("a mask needs `event`, or `column` with `is_in`")
        return self


class Task(Section):
    """One thing to predict.

    Attributes:
        kind: `classification` (cross-entropy, the prediction is a probability) or
            `regression` (squared error in the label's transformed space).
        group: tasks of one group are shown and served together.
        weight: of the task's loss in the objective.
        label: how the label is made.
        mask: for which impressions it exists; by default for all.
    """

    kind: TaskKind
    group: Name
    weight: float = Field(1.0, gt=0.0, le=1e6)
    label: Label
    mask: Mask | None = None

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


Tasks = Annotated[dict[Name, Task], Field(min_length=1, max_length=1000)]
