"""What the `tuning` section means for one configuration, checked before anything runs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from pydantic import ValidationError

from trainer.config import Role, TrainerConfig
from trainer.tuning.options import Parameter, Tuning
from trainer.tuning.paths import apply_values, check_path, encode, get_value

_FEW = 1000


@dataclass(frozen=True)
class Dimension:
    """One option that is searched.

    Attributes:
        path: of the option in the YAML.
        kind: `float` and `int` from `low` to `high`, or `choice` among `values`.
        log: whether draws are uniform in the logarithm.
        own: the value that the YAML has, or None if it is not in the space.
    """

    path: str
    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    values: tuple[Any, ...] = ()
    own: Any = None

    @property
    def size(self) -> float:
        """How many values there are; infinite for a `float`."""
        sizes = {"float": math.inf, "int": self.high - self.low + 1, "choice": len(self.values)}
        return sizes[self.kind]

    def encode(self, value: Any) -> int | float | str:
        """A value as keras-tuner can hold it: all of an option are of one type."""
        types = {type(encode(one)) for one in self.values}
        return json.dumps(value) if len(types) > 1 else encode(value)

    @property
    def grid(self) -> Sequence[Any]:
        """All values, of one that is no `float`."""
        is_range = self.kind == "int"
        return range(int(self.low), int(self.high) + 1) if is_range else self.values


def make_space(config: TrainerConfig, tuning: Tuning, role: Role) -> tuple[Dimension, ...]:
    """What is searched for the candidate or for the baseline.

    Every value is tried on the configuration's own rules, with the YAML's other values or with
    another of the space. Combinations that break a rule are not drawn.

    Args:
        config: that of the role.
        tuning: the `tuning` section.
        role: whose space.

    Raises:
        ValueError: with the place in the YAML, the rule and the value.
    """
    parameters = tuning.space_of(role)
    for path in parameters:
        _check_path(config, path, tuning.place_of(path, role))
    space = tuple(
        _make_dimension(config, path, parameters, tuning.place_of(path, role))
        for path in parameters
    )
    size = _count(config, space)
    if size < tuning.trials:
        raise ValueError(
            f"tuning.trials: must be at most the number of combinations of the {role}, as "
            "candidate and baseline get the same number of trials. "
            f"Received: trials={tuning.trials}, combinations={size:.0f}"
        )
    return space


def check_tuning(configs: Mapping[Role, TrainerConfig], tuning: Tuning) -> None:
    """Refuses a `tuning` section that does not fit the rest of the YAML.

    Args:
        configs: the candidate's and the baseline's configuration.
        tuning: the section.

    Raises:
        ValueError: with the place in the YAML, the rule and the value.
    """
    tasks = configs["candidate"].tasks
    unknown = sorted(set(tuning.weights or ()) - set(tasks))
    if unknown:
        raise ValueError(
            f"tuning.weights: must name tasks. Received: {unknown}, tasks are {sorted(tasks)}"
        )
    if not any(task_weights(configs["candidate"], tuning).values()):
        raise ValueError("tuning.weights: one at least must be above 0")
    for role, config in configs.items():
        make_space(config, tuning, role)


def task_weights(config: TrainerConfig, tuning: Tuning) -> dict[str, float]:
    """Task -> weight in the objective."""
    if tuning.weights is None:
        return {name: task.weight for name, task in config.tasks.items()}
    return {name: tuning.weights.get(name, 0.0) for name in config.tasks}


def _check_path(config: TrainerConfig, path: str, place: str) -> None:
    try:
        check_path(config, path)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _make_dimension(
    config: TrainerConfig, path: str, parameters: Mapping[str, Parameter], place: str
) -> Dimension:
    own, parameter = get_value(config, path), parameters[path]
    others = [
        {other: value}
        for other, its in parameters.items()
        if other != path
        for value in its.outermost
    ]
    read = [_as_read(config, path, value, others, place) for value in parameter.outermost]
    if parameter.values is not None:
        return Dimension(path, "choice", values=tuple(read), own=own if own in read else None)
    low, high = read
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)):
        raise ValueError(f"{place}: is no number; give `values`. Received: {own!r:.200}")
    is_inside = isinstance(own, int | float) and low <= own <= high
    kind: Literal["int", "float"] = "int" if isinstance(low, int) else "float"
    log = parameter.scale == "log"
    return Dimension(path, kind, low, high, log, own=own if is_inside else None)


def _as_read(
    config: TrainerConfig,
    path: str,
    value: Any,
    others: Sequence[Mapping[str, Any]],
    place: str,
) -> Any:
    """The value as the configuration has it: a number that YAML took for text is one again."""
    problems = []
    for other in ({}, *others):
        try:
            return get_value(apply_values(config, {path: value, **other}), path)
        except ValueError as error:
            problems.append(_rule(error))
    raise ValueError(f"{place}: {problems[0]}. Received: {value!r:.200}")


def _rule(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    message: str = error.errors()[0]["msg"]
    return message.removeprefix("Value error, ").partition(". Received")[0]


def _count(config: TrainerConfig, space: Sequence[Dimension]) -> float:
    """How many combinations there are; those that break a rule are left out if it is few."""
    size = math.prod(dimension.size for dimension in space)
    if size > _FEW or any(dimension.kind == "float" for dimension in space):
        return size
    grid = product(*(dimension.grid for dimension in space))
    paths = [dimension.path for dimension in space]
    return sum(is_allowed(config, dict(zip(paths, values, strict=True))) for values in grid)


def is_allowed(config: TrainerConfig, values: Mapping[str, Any]) -> bool:
    """Whether all values together break no rule of the configuration.

    Args:
        config: that of the role.
        values: path -> value.
    """
    try:
        apply_values(config, values)
    except ValueError:
        return False
    return True


def own_values(space: Sequence[Dimension]) -> dict[str, int | float | str] | None:
    """Path -> the YAML's own value, encoded, or None if one of them is not in the space."""
    missing = any(d.own is None and None not in d.values for d in space)
    return None if missing else {d.path: d.encode(d.own) for d in space}
