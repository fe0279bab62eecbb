"""Whether two folders hold the same files with the same bytes."""

from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1 << 20


def list_all(folder: Path) -> dict[str, Path]:
    """Relative path -> file, hidden ones too."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in files}


def compare(expected: Path, found: Path) -> list[str]:
    """What is different, a line a file; nothing if the folders are the same.

    Args:
        expected: the one folder.
        found: the other.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in ("a", "b"):
        ...         (Path(home) / name).mkdir()
        ...         (Path(home) / name / "file").write_text(f"from {name}")
        ...     compare(Path(home) / "a", Path(home) / "b")
        6
        6
        ['file: differs from byte 5 on']
    """
    left, right = list_all(expected), list_all(found)
    lines = [f"{name}: missing" for name in left.keys() - right.keys()]
    lines += [f"{name}: not expected" for name in right.keys() - left.keys()]
    for name in left.keys() & right.keys():
        place = first_difference(left[name], right[name])
        if place is not None:
            lines.append(f"{name}: differs from byte {place} on")
    return sorted(lines)


def first_difference(one: Path, other: Path) -> int | None:
    """The first byte in which two files differ, None if they do not."""
    for start, left, right in _chunks(one, other):
        if left != right:
            pairs = zip(left, right, strict=False)
            shorter = min(len(left), len(right))
            return start + next((i for i, (a, b) in enumerate(pairs) if a != b), shorter)
    return None


def _chunks(one: Path, other: Path) -> Iterator[tuple[int, bytes, bytes]]:
    with one.open("rb") as left, other.open("rb") as right:
        start = 0
        while True:
            chunks = left.read(_CHUNK), right.read(_CHUNK)
            if not any(chunks):
                return
            yield start, *chunks
            start += _CHUNK
