"""The base of every section of the YAML: frozen, closed to unknown fields, well-spoken."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from transforms.errors import ConfigError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
# The values of `kind` stand in pydantic's paths, though not in the file's.
_UNION_MEMBERS = {"numeric", "history", "sequence", "categorical"}
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_DAYS = 36_500

# A name becomes a tensor name, a column name and a file name: keep it plain.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class Section(BaseModel):
    """A frozen part of the configuration; an unknown field is an error, not a surprise.

    Example:
        >>> class Pages(Section):
        ...     size: int = 10
        >>> Pages(size=20).size
        20
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def parse_duration(value: Any) -> timedelta:
    """Reads `90s`, `1.5h` or `2d`; a timedelta is left as it is.

    Raises:
        ValueError: if it is something else, or longer than 100 years.

    Example:
        >>> parse_duration("1.5h")
        datetime.timedelta(seconds=5400)
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration must be a number and one of ms, s, m, h, d, such as 30m")
    seconds = float(match[1]) * _UNIT_SECONDS[match[2]]
    if seconds > _MAX_DAYS * _UNIT_SECONDS["d"]:
        raise ValueError(f"a duration must be at most {_MAX_DAYS}d")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Writes a timedelta in the largest unit that keeps it a whole number.

    Example:
        >>> format_duration(timedelta(hours=36))
        '36h'
    """
    milliseconds = round(value.total_seconds() * 1000)
    for unit in ("d", "h", "m", "s"):
        size = round(_UNIT_SECONDS[unit] * 1000)
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def format_time(milliseconds: int) -> str:
    """Writes a time since the epoch as ISO-8601 in UTC.

    Example:
        >>> format_time(1_767_225_600_000)
        '2026-01-01T00:00:00.000Z'
    """
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
]

SectionT = TypeVar("SectionT", bound=Section)


def load_section(model: type[SectionT], value: Any, source: str) -> SectionT:
    """Validates `value` as `model`, or says for each field its path, the rule and the value.

    Args:
        model: the section's class.
        value: what the YAML or JSON held.
        source: where it came from, the first word of the message.

    Raises:
        ConfigError: with one line a broken rule.

    Example:
        >>> load_section(Section, {"typo": 1}, "ranker.yaml")
        Traceback (most recent call last):
        transforms.errors.ConfigError: ranker.yaml: 1 rule broken
          typo: Extra inputs are not permitted. Received: 1
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        count = f"{len(problems)} rule{'s' * (len(problems) > 1)} broken"
        lines = [f"{source}: {count}", *(f"  {_describe(problem)}" for problem in problems)]
        raise ConfigError("\n".join(lines)) from None


def first_problem(error: ValidationError) -> str:
    """The place of the first broken rule, and the rule, for a file that no person has written.

    Example:
        >>> try:
        ...     Section.model_validate({"typo": 1})
        ... except ValidationError as error:
        ...     first_problem(error)
        'typo: Extra inputs are not permitted'
    """
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])):.200}: {first['msg']:.200}"


def _describe(problem: Any) -> str:
    rule = problem["msg"].removeprefix("Value error, ")
    # A rule over several sections names its place itself, and what it received is the file.
    place = f"{'.'.join(_path(problem['loc']))}: " if problem["loc"] else ""
    is_whole = not place and problem["type"] == "value_error"
    if "Received:" in rule or problem["type"] == "missing" or is_whole:
        return f"{place}{rule}"
    return f"{place}{rule}. Received: {_show(problem['input'])}"


def _show(value: Any) -> str:
    try:
        return f"{value!r:.200}"
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"{type(value).__name__} of too many digits"


def _path(location: tuple[str | int, ...]) -> list[str]:
    """The field's path as the YAML has it, without pydantic's names of a union's members."""
    members = _UNION_MEMBERS if location[0] != "tasks" else set()
    return [str(part) for part in location if part not in members]
