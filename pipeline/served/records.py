"""What was rolled back: a list in the served folder, which servers do not read."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import Field, RootModel, ValidationError

from transforms.errors import InputError
from transforms.section import Section, first_problem
from transforms.small_files import read_small_file
from transforms.storage import write_whole

ROLLBACKS_FILE = "rollbacks.json"
_MAX_BYTES = 16 << 20


class Rollback(Section):
    """One rollback.

    Attributes:
        at: when.
        served: the version that was the newest.
        to: the version that came back.
        version: the number under which it did.
        withdrawn: the versions that are not to be used from now on, of all rollbacks so far.
        reason: in the operator's words.
    """

    at: datetime
    served: int = Field(ge=0)
    to: int = Field(ge=0)
    version: int = Field(ge=0)
    withdrawn: tuple[int, ...]
    reason: str = Field("", max_length=1000)


class _Rollbacks(RootModel[tuple[Rollback, ...]]):
    """The file, oldest first."""


def read_rollbacks(served: Path) -> tuple[Rollback, ...]:
    """The rollbacks of a served folder, oldest first.

    Raises:
        InputError: if the file is no list of rollbacks.
    """
    path = served / ROLLBACKS_FILE
    if not path.exists():
        return ()
    try:
        return _Rollbacks.model_validate_json(read_small_file(path, _MAX_BYTES)).root
    except ValidationError as error:
        raise InputError(
            f"{path}: must be what `gaterank rollback` wrote: {first_problem(error)}"
        ) from None


def write_rollbacks(served: Path, rollbacks: Sequence[Rollback]) -> None:
    """Writes the list, all at once."""
    document = _Rollbacks(tuple(rollbacks)).model_dump_json(indent=1)
    with write_whole(str(served / ROLLBACKS_FILE)) as stream:
        stream.write(document.encode())


def origin_of(version: int, rollbacks: Sequence[Rollback]) -> int:
    """The version that a run pushed, of one that may be a copy of it.

    Example:
        >>> back = Rollback(at="2026-01-05T00:00Z", served=5, to=4, version=6, withdrawn=(5,))
        >>> origin_of(6, [back]), origin_of(5, [back])
        (4, 5)
    """
    for one in reversed(rollbacks):
        if one.version == version:
            version = one.to
    return version


def pushed_as(version: str, rollbacks: Sequence[Rollback]) -> str:
    """The version that a run pushed, of one that may be a copy of it.

    Args:
        version: as a log or a person wrote it; what is no number is no copy.
        rollbacks: oldest first.

    Example:
        >>> back = Rollback(at="2026-01-05T00:00Z", served=5, to=4, version=6, withdrawn=(5,))
        >>> pushed_as("6", [back]), pushed_as("six", [back])
        ('4', 'six')
    """
    copies = {str(one.version): one.version for one in rollbacks}
    return str(origin_of(copies[version], rollbacks)) if version in copies else version


def withdrawn_by(rollbacks: Sequence[Rollback]) -> frozenset[int]:
    """The versions that runs pushed, rollbacks took away and none brought back."""
    return frozenset(rollbacks[-1].withdrawn) if rollbacks else frozenset()
