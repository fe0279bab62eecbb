"""Which code a component ran: part of its cache key and of the report's lineage."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


@cache
def code_version(*packages: str) -> str:
    """The distribution's version and a digest of the packages' source files.

    A component whose code changed must run again, though its inputs are the same.

    Args:
        packages: top-level folders, such as `transforms`.

    Example:
        >>> code_version("transforms").startswith(code_version().split("+")[0])
        True
    """
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted((_ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode())
            digest.update(path.read_bytes())
    return f"{_distribution_version()}+{digest.hexdigest()[:12]}"


def _distribution_version() -> str:
    try:
        return metadata.version("gaterank")
    except metadata.PackageNotFoundError:
        return "0"
