"""Stands for `gaterank` under a real Airflow: does what a plan says, and keeps a journal.

Standard library only. Called as `stub_gaterank.py FOLDER VERB ...`; FOLDER has `plan.json`.
"""

import fcntl
import json
import sys
import time
from pathlib import Path
from typing import Any


def main(folder: Path, verb: str, words: list[str]) -> int:
    # ready CONFIG --option value ..., step CONFIG COMPONENT --option value ...
    first = 2 if verb == "step" else 1
    options = dict(zip(words[first::2], words[first + 1 :: 2], strict=True))
    name = words[1] if verb == "step" else "ready"
    day = options["--span"]
    plan = json.loads((folder / "plan.json").read_text())
    codes = plan.get(f"{name} {day}", plan.get(name, [0]))
    # As the workspace's lock: of a ranker one component at a time.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = [line for line in read(folder) if (line["name"], line["day"]) == (name, day)]
        tried = sum(line["what"] == "start" for line in before)
        entry = {"name": name, "day": day, "run": options.get("--run-id")}
        write(folder, {"what": "start", "time": time.time()} | entry)
        sys.stdout.write(f"{name} of {day}, try {tried + 1}\n")
        sys.stdout.flush()
        time.sleep(plan.get("seconds", {}).get(name, 0))
        write(folder, {"what": "end", "time": time.time()} | entry)
    return int(codes[min(tried, len(codes) - 1)])


def read(folder: Path) -> list[dict[str, Any]]:
    """The journal: one line for each start and end."""
    path = folder / "journal"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write(folder: Path, entry: dict[str, Any]) -> None:
    with (folder / "journal").open("a") as file:
        file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
