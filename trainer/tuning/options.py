"""The typed `tuning` section: what is searched and how. Imports no TensorFlow."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainer.config import ROLES, Role
from transforms.section import Name, Section

MAX_VALUES = 1000


class Parameter(Section):
    """What an option may be: `values`, or all from `min` to `max`.

    Attributes:
        min: the least; of an option that takes whole numbers only those are tried.
        max: the largest.
        scale: `log` draws uniformly from the logarithm.
        values: a list, for options of any type.
    """

    min: float | None = None
    max: float | None = None
    scale: Literal["linear", "log"] = "linear"
    values: tuple[Any, ...] | None = Field(None, min_length=1, max_length=MAX_VALUES)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.values is not None:
            if (self.min, self.max, self.scale) != (None, None, "linear"):
                raise ValueError("`values` go without `min`, `max` and `scale`")
            if any(value in self.values[:i] for i, value in enumerate(self.values)):
                raise ValueError(f"`values` must differ. Received: {list(self.values)!r:.200}")
            return self
        if self.min is None or self.max is None:
            raise ValueError("needs `values`, or `min` and `max`")
        if not self.min < self.max:
            raise ValueError(f"`min` must be below `max`. Received: {self.min:g}, {self.max:g}")
        if self.scale == "log" and self.min <= 0.0:
            raise ValueError(f"`min` must be above 0 for `scale: log`. Received: {self.min:g}")
        return self

    @property
    def outermost(self) -> tuple[Any, ...]:
        """The values that break a rule if any does: all of a list, or both ends."""
        return (self.min, self.max) if self.values is None else self.values


Space = dict[str, Parameter]


class Tuning(Section):
    """The `tuning` section.

    The rules are the paper's: the candidate and the baseline get the same number of trials of the
    same length and the same ranges of what both have; a trial does not count whose gate should
    have become binary and has not.

    Attributes:
        search: `random`, or `bayesian`: after a quarter of the trials, where a Gaussian process
            expects most.
        trials: of the candidate, and as many of the baseline. The first has the YAML's own
            values, if they are in the space.
        workers: trials at a time, each a process with its share of the processors.
        seed: of the draws; what a trial is trained with is `training.seed`.
        max_epochs: of a trial, in place of `training.max_epochs`; early stopping as in training.
        weights: task -> weight in the objective, 0 for a task that is not named; by default
            the tasks' own.
        must_converge: discard a trial whose static gate has selectors and did not become binary.
        space: path of an option, such as `training.learning_rate`, -> what it may be; for both.
        candidate: the same, of the candidate alone, such as `gate.entropy_weight`.
        baseline: the same, of the baseline alone; `gate` stands for `baseline.gate` here.
        in_pipeline: tune in `gaterank run` too, before both are trained.
    """

    search: Literal["random", "bayesian"] = "random"
    trials: int = Field(20, ge=1, le=10_000)
    workers: int = Field(2, ge=1, le=256)
    seed: int = Field(1, ge=0, le=2**31 - 2)
    max_epochs: int | None = Field(None, ge=1, le=10_000)
    weights: dict[Name, Annotated[float, Field(ge=0.0, le=1e6)]] | None = None
    must_converge: bool = True
    space: Space = Field(default_factory=dict)
    candidate: Space = Field(default_factory=dict)
    baseline: Space = Field(default_factory=dict)
    in_pipeline: bool = False

    @model_validator(mode="after")
    def _a_range_is_given_once(self) -> Self:
        for role in ROLES:
            twice = sorted(self.space.keys() & getattr(self, role).keys())
            if twice:
                raise ValueError(
                    "`space` is the same for candidate and baseline: give a path there or in "
                    f"`{role}`. Received: {twice} in both"
                )
        return self

    def space_of(self, role: Role) -> Space:
        """What is searched for the candidate or for the baseline."""
        own: Space = getattr(self, role)
        return self.space | own

    def place_of(self, path: str, role: Role) -> str:
        """Where the YAML says what the option may be."""
        return f"tuning.{'space' if path in self.space else role}.{path}"
