"""The files of a measurement: its figures as JSON, its table as markdown."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import command, machine


def how_made(target: str, name: str, *packages: str) -> dict[str, str]:
    """When, by which command and on what machine figures are made: results begin with it.

    Args:
        target: of the Makefile.
        name: of the program in the target's folder.
        packages: whose versions count.

    Example:
        >>> list(how_made("bench", "gates", "numpy"))
        ['date', 'command', 'machine']
    """
    return {
        "date": date.today().isoformat(),
        "command": command(target, name),
        "machine": machine(*packages),
    }


def publish(out: Path, stem: str, results: Mapping[str, Any], text: str) -> None:
    """Writes `<stem>.json` and `<stem>.md`, and prints the text.

    Args:
        out: folder; made if it is not there.
        stem: of the files' names.
        results: all figures, and how they were made.
        text: the table.

    Example:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp()) / "benchmarks"
        >>> publish(folder, "step", {"ms": 2.5}, "2.5 ms")
        2.5 ms
        >>> sorted(path.name for path in folder.iterdir())
        ['step.json', 'step.md']
        >>> json.loads((folder / "step.json").read_text())
        {'ms': 2.5}
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / f"{stem}.md").write_text(text)
    print(text)
