"""Takes some packages' lines of the hashed lock: what an image needs of it, and no more.

python choose_lock.py requirements.lock serve.packages > serve.lock
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"(?m)^(?=[A-Za-z0-9])([A-Za-z0-9._-]+)")


def choose_lock(lock: str, names: Iterable[str]) -> str:
    """The lines of the lock that install the named packages.

    Args:
        lock: text of a requirements file with a version and hashes of each package.
        names: of packages, as the lock writes them.

    Raises:
        ValueError: if the lock has none of that name.

    Example:
        >>> choose_lock("six==1.17.0 --hash=sha256:47\\nwrapt==2.1.1 --hash=sha256:13", ["wrapt"])
        'wrapt==2.1.1 --hash=sha256:13'
    """
    starts = [match.start() for match in _NAME.finditer(lock)]
    ends = [*starts[1:], len(lock)]
    lines = [lock[start:end] for start, end in zip(starts, ends, strict=True)]
    found = {_NAME.match(line)[1]: line for line in lines}  # type: ignore[index]
    wanted = set(names)
    if missing := sorted(wanted - set(found)):
        raise ValueError(f"the lock must have every package. Missing: {missing}")
    return "".join(found[name] for name in sorted(wanted))


def read_names(text: str) -> list[str]:
    """The names in a list of packages, one a line; comments begin with #."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


if __name__ == "__main__":
    _lock, _packages = (Path(argument).read_text() for argument in sys.argv[1:3])
    sys.stdout.write(choose_lock(_lock, read_names(_packages)))
