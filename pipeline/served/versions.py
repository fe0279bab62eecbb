"""Versions in a served folder: each appears all at once, under a number higher than all before."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.served.records import origin_of, read_rollbacks, withdrawn_by
from pipeline.served.seal import Seal
from serving.manifest.write import write_manifest
from serving.server.models.config import find_versions
from transforms.folders import held
from transforms.rolling.window import SPANS_FILE
from transforms.saved_model import EXTRA_FOLDER
from transforms.small_files import read_small_file

_MAX_BYTES = 1 << 20
_PATIENCE_SECONDS = 600.0


def push_version(model: Path, served: Path, seal: Seal | None = None) -> Path:
    """Copies a SavedModel into the served folder as its next version, atomically.

    What a push that was killed left there is invisible to a server, and replaced.

    Args:
        model: the SavedModel.
        served: the folder that a server watches.
        seal: what its manifest says; None copies the model with the one that it has, if any.

    Returns:
        The version's folder.

    Raises:
        InputError: if another process holds the folder for ten minutes.
    """
    with changing(served):
        return add_version(model, served, next_number(served), seal)


@contextmanager
def changing(served: Path) -> Iterator[None]:
    """Keeps other pushes and rollbacks out of a served folder, which is made if it is not there.

    Raises:
        InputError: if another process holds the folder for ten minutes.
    """
    with held(served, "served folder", _PATIENCE_SECONDS):
        yield


def next_number(served: Path) -> int:
    """One more than the highest that is there, or that a rollback was to make."""
    made = [one.version for one in read_rollbacks(served)]
    return max([0, *find_versions(served), *made]) + 1


def add_version(model: Path, served: Path, number: int, seal: Seal | None = None) -> Path:
    """Adds a version, for who holds the folder.

    Args:
        model: the SavedModel.
        served: the folder that a server watches.
        number: of the version.
        seal: see `push_version`.

    Returns:
        The version's folder.
    """
    # A server ignores names that are no numbers: the copy is invisible until its rename.
    incoming = served / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        shutil.copytree(model, incoming)
        if seal is not None:
            write_manifest(model, incoming, seal.ranker, seal.key)
        return incoming.rename(served / str(number))
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise


def newest_version(served: Path) -> Path | None:
    """The highest version in the served folder, None if there is none."""
    versions = find_versions(served) if served.is_dir() else {}
    return versions[max(versions)] if versions else None


def last_span(model: Path | None) -> int | None:
    """The last span that a packaged model was trained on; None if it knows none.

    Args:
        model: the SavedModel, if there is one.
    """
    path = model / EXTRA_FOLDER / SPANS_FILE if model else None
    if path is None or not path.is_file():
        return None
    return max(int(one["span"]) for one in json.loads(read_small_file(path, _MAX_BYTES)))


def withdrawn_spans(served: Path) -> frozenset[int]:
    """The last spans of models that were rolled back, and of none that was not."""
    rollbacks = read_rollbacks(served)
    withdrawn = withdrawn_by(rollbacks)
    gone: set[int] = set()
    left: set[int] = set()
    for version, folder in find_versions(served).items() if withdrawn else ():
        span = last_span(folder)
        if span is not None:
            (gone if origin_of(version, rollbacks) in withdrawn else left).add(span)
    return frozenset(gone - left)
