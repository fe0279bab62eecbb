"""The bases of blessed models, by day: what later trainings begin from where no metadata says it.

A day is a folder: `<date>/<digest>/<role>.npz`, the candidate as it is served in
`<date>/<digest>/model`, which later candidates are compared with, and `<date>/base.json`, which
names the digest and is written last. So a day is there as a whole or not at all, and is replaced
as a whole.
"""

import json
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from trainer.checkpoints.fingerprint import digest_files
from trainer.config import ROLES, Role
from transforms.errors import InputError
from transforms.small_files import read_small_file
from transforms.spans.days import date_of
from transforms.storage import copy_file, copy_files, remove_attempts, write_whole

_RECORD = "base.json"
_MODEL = "model"
_MAX_BYTES = 1000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}/[0-9a-f]{32}")


def keep_bases(folder: Path, span: int, files: Mapping[Role, Path], model: Path) -> str:
    """Keeps the bases of a blessed run, in place of earlier ones of its day.

    Args:
        folder: of all days.
        span: the last day that was trained on.
        files: role -> its base.
        model: the candidate's SavedModel.

    Returns:
        Their name, the same whenever they are the same.
    """
    digest = digest_files([], [[str(files[role])] for role in ROLES])
    day = folder / date_of(span).isoformat()
    for role, source in files.items():
        copy_file(str(source), str(day / digest / f"{role}.npz"))
    copy_files(model, day / digest / _MODEL)
    with write_whole(str(day / _RECORD)) as stream:
        stream.write(json.dumps({"digest": digest}).encode())
    remove_attempts(str(day))
    for old in day.iterdir():
        if old.is_dir() and old.name != digest:
            shutil.rmtree(old)
    return f"{day.name}/{digest}"


def newest_bases(folder: Path, before: int, without: Collection[int] = ()) -> str | None:
    """The name of the bases of the latest day before a span, None if there are none.

    Args:
        folder: of all days.
        before: a model that has seen this day, or a later one, is none to begin from.
        without: spans whose models were withdrawn.

    Raises:
        InputError: if what is there was not written by `keep_bases`.
    """
    if not folder.is_dir():
        return None
    withdrawn = {date_of(span).isoformat() for span in without}
    names = {path.name for path in folder.iterdir() if _DATE.fullmatch(path.name)}
    days = sorted(names - withdrawn)
    for day in reversed([day for day in days if day < date_of(before).isoformat()]):
        record = folder / day / _RECORD
        if record.is_file():
            return _read_name(day, record)
    return None


def copy_base(folder: Path, name: str, role: Role, target: Path) -> None:
    """Copies the base of a role.

    Args:
        folder: of all days.
        name: see `newest_bases`.
        role: candidate or baseline.
        target: the file to make.

    Raises:
        InputError: if there is none of that name.
    """
    source = folder / name / f"{role}.npz"
    if not _NAME.fullmatch(name) or not source.is_file():
        raise InputError(f"{folder}: must have the base. Received: {name!r}")
    copy_file(str(source), str(target))


def copy_model(folder: Path, name: str, target: Path) -> None:
    """Copies the candidate that was kept with the bases, as it is served.

    Args:
        folder: of all days.
        name: see `newest_bases`.
        target: the folder to fill.
    """
    copy_files(folder / name / _MODEL, target)


def _read_name(day: str, record: Path) -> str:
    try:
        name = f"{day}/{json.loads(read_small_file(record, _MAX_BYTES))['digest']}"
    except (ValueError, LookupError, TypeError):
        name = ""
    if not _NAME.fullmatch(name):
        raise InputError(f"{record}: must say which base is the day's")
    return name
