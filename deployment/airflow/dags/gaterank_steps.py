"""What the DAG file needs and Airflow has no part in: graphs, days, commands, exit codes.

Standard library only: it is copied beside the DAG file into Airflow's own environment.
"""

import enum
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

FORMAT = 1
MAX_BYTES = 1_000_000
SUFFIX = ".airflow.json"
CONFIG_PATTERN = r"^/.+\.ya?ml$"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_TEXTS = ("ranker", "config", "workspace", "logs", "start_date", "cron", "pool", "alerts")
_SECONDS = ("wait", "poll", "retry_delay", "step_timeout", "deadline")
# Airflow itself kills a task a minute after it has asked it to end.
_GRACE_SECONDS = 45.0


class Outcome(enum.Enum):
    """What a command's exit code means to a scheduler."""

    DONE = "done"
    NOT_PUSHED = "not pushed"
    NOT_READY = "not ready"
    AGAIN = "try again"
    FAILED = "failed"
    ALARM = "alarm"


_OUTCOMES = {
    0: Outcome.DONE,
    2: Outcome.FAILED,  # bad input or configuration
    3: Outcome.FAILED,  # too many dead letters
    4: Outcome.NOT_PUSHED,
    5: Outcome.FAILED,  # an anomaly in the data
    7: Outcome.NOT_READY,
    8: Outcome.AGAIN,  # a training was interrupted; its checkpoint is there
    9: Outcome.FAILED,  # a loss is not finite
    10: Outcome.ALARM,  # of the monitoring
}


def outcome_of(code: int) -> Outcome:
    """Whatever is not known to be for good may pass: a full disk, a lost worker, a kill.

    Example:
        >>> [outcome_of(code).value for code in (0, 2, 8, -9)]
        ['done', 'failed', 'try again', 'try again']
    """
    return _OUTCOMES.get(code, Outcome.AGAIN)


def day_of(interval_end: datetime, days_ahead: int) -> str:
    """The last day to train on in a run: over by the end of its data interval, labels complete.

    Args:
        interval_end: with its time zone.
        days_ahead: how many days later the last feedback of a day may come.

    Example:
        >>> day_of(datetime(2026, 1, 9, 6, tzinfo=UTC), days_ahead=2)
        '2026-01-06'
    """
    last_whole_day = interval_end.astimezone(UTC).date() - timedelta(days=1)
    return (last_whole_day - timedelta(days=days_ahead)).isoformat()


def load_graph(path: Path) -> dict[str, Any]:
    """Reads what `gaterank compile --target airflow` wrote.

    Raises:
        ValueError: with the rule that the file breaks.
    """
    with path.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path}: must be at most {MAX_BYTES} bytes")
    graph = json.loads(text)
    if not isinstance(graph, dict) or graph.get("format") != FORMAT:
        raise ValueError(f"{path}: must have format {FORMAT}; write it by `gaterank compile`")
    for name in _TEXTS:
        _require(path, name, isinstance(graph.get(name), str))
    for name in (*_SECONDS, "days_ahead", "retries"):
        _require(path, name, isinstance(graph.get(name), int | float) and graph[name] >= 0)
    words = graph.get("gaterank")
    _require(path, "gaterank", isinstance(words, list) and all(isinstance(w, str) for w in words))
    _require(path, "ranker", _NAME.fullmatch(graph["ranker"]) is not None)
    _check_monitor(path, graph.get("monitor"))
    date.fromisoformat(graph["start_date"])
    _check_nodes(path, graph.get("nodes"))
    return graph


def _check_monitor(path: Path, monitor: Any) -> None:
    """The part is not there if nothing is watched."""
    if monitor is None:
        return
    _require(path, "monitor", isinstance(monitor, dict))
    for name in ("requests", "cron"):
        _require(path, f"monitor.{name}", isinstance(monitor.get(name), str))
    _require(path, "monitor.retrain", isinstance(monitor.get("retrain"), bool))


def _check_nodes(path: Path, nodes: Any) -> None:
    _require(path, "nodes", isinstance(nodes, list) and bool(nodes))
    known: set[str] = set()
    for node in nodes:
        _require(path, "nodes.id", _NAME.fullmatch(str(node.get("id"))) is not None)
        # In an order in which they can run: so there is no cycle.
        _require(path, f"nodes.{node['id']}.upstream", known.issuperset(node.get("upstream", "?")))
        known.add(node["id"])
    _require(path, "nodes", len(known) == len(nodes))


def _require(path: Path, name: str, holds: bool) -> None:
    if not holds:
        raise ValueError(f"{path}: {name} must be as `gaterank compile` writes it")


def ready_command(graph: Mapping[str, Any], config: str, day: str) -> list[str]:
    """The words that ask whether a day is there."""
    return [*graph["gaterank"], "ready", config, "--logs", graph["logs"], "--span", day]


def step_command(graph: Mapping[str, Any], node: str, run: Mapping[str, str]) -> list[str]:
    """The words that run a component.

    Args:
        graph: see `load_graph`.
        node: the component.
        run: `config`, `day` and `run_id`, as the sensor has settled them.
    """
    options = {
        "--workspace": graph["workspace"],
        "--logs": graph["logs"],
        "--span": run["day"],
        "--run-id": run["run_id"],
        "--wait": str(graph["step_timeout"]),
    }
    words = [word for pair in options.items() for word in pair]
    return [*graph["gaterank"], "step", run["config"], node, *words]


def monitor_command(graph: Mapping[str, Any], config: str, day: str) -> list[str]:
    """The words that look at what was served on a day, once its labels can be complete."""
    options = {
        "--workspace": graph["workspace"],
        "--requests": graph["monitor"]["requests"],
        "--logs": graph["logs"],
        "--day": day,
    }
    words = [word for pair in options.items() for word in pair]
    return [*graph["gaterank"], "monitor", config, *words, "--complete"]


class Command:
    """A process with all that it starts; none is left at the end of the `with` block.

    Args:
        words: no shell reads them.
    """

    def __init__(self, words: list[str]) -> None:
        # Nothing of Airflow's, such as the password of its database, is for the command.
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "_AIRFLOW"))
        }
        self._process = subprocess.Popen(
            words,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def __enter__(self) -> "Command":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def lines(self) -> Iterator[str]:
        """What it prints, line by line, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            yield line.rstrip()

    def wait(self) -> int:
        """Its exit code; negative after a signal."""
        return self._process.wait()

    def stop(self, grace: float = _GRACE_SECONDS) -> None:
        """SIGTERM, on which a training saves its state, and SIGKILL for what is left then."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
