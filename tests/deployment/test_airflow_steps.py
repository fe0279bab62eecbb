"""What the DAG file knows without Airflow: graphs, days, commands, exit codes."""

import ast
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from deployment.airflow.instance import DAGS
from tests.deployment.airflow_graph import graph
from transforms import errors

sys.path.insert(0, str(DAGS))

from gaterank_steps import (
    MAX_BYTES,
    Command,
    Outcome,
    day_of,
    load_graph,
    monitor_command,
    outcome_of,
    ready_command,
    step_command,
)


def test_airflow_and_the_standard_library_are_all_that_the_dag_file_imports():
    own = {path.stem for path in DAGS.glob("*.py")}
    known = {*sys.stdlib_module_names, "airflow", *own}
    for path in DAGS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= known


@pytest.mark.parametrize(
    ("end", "ahead", "day"),
    [
        (datetime(2026, 1, 9, 0, 0, tzinfo=UTC), 0, "2026-01-08"),
        (datetime(2026, 1, 9, 6, 0, tzinfo=UTC), 2, "2026-01-06"),
        (datetime(2026, 1, 8, 23, 59, tzinfo=UTC), 0, "2026-01-07"),
        (datetime(2026, 3, 1, 6, 0, tzinfo=UTC), 1, "2026-02-27"),
        # One in the morning in Berlin is still the day before in UTC.
        (datetime(2026, 1, 9, 1, tzinfo=timezone(timedelta(hours=2))), 0, "2026-01-07"),
    ],
)
def test_a_run_trains_on_the_last_day_whose_labels_are_complete_at_its_end(end, ahead, day):
    assert day_of(end, ahead) == day


def test_every_exit_code_of_gaterank_has_its_outcome():
    kinds = {kind.exit_code: kind for kind in vars(errors).values() if hasattr(kind, "exit_code")}
    for_good = {2, 3, 5, 9}
    expected = {code: Outcome.FAILED if code in for_good else Outcome.AGAIN for code in kinds}
    expected |= {4: Outcome.NOT_PUSHED, 7: Outcome.NOT_READY, 0: Outcome.DONE, 10: Outcome.ALARM}
    assert {code: outcome_of(code) for code in expected} == expected
    assert outcome_of(-9) is outcome_of(137) is Outcome.AGAIN, "killed, such as for its memory"


def test_the_commands_are_words_that_gaterank_takes():
    run = {"config": "/srv/other.yaml", "day": "2026-01-06", "run_id": "scheduled__1@2"}
    assert ready_command(graph(), run["config"], run["day"]) == [
        *("gaterank", "ready", "/srv/other.yaml", "--logs", "/srv/logs", "--span", "2026-01-06")
    ]
    words = step_command(graph(), "Pusher", run)
    assert words[:4] == ["gaterank", "step", "/srv/other.yaml", "Pusher"]
    assert dict(zip(words[4::2], words[5::2], strict=True)) == {
        "--workspace": "/srv/workspace",
        "--logs": "/srv/logs",
        "--span": "2026-01-06",
        "--run-id": "scheduled__1@2",
        "--wait": "2",
    }


MONITOR = {"requests": "/srv/served/demo", "cron": "0 8 * * *", "retrain": True}


def test_what_was_served_is_looked_at_once_its_labels_can_be_complete():
    words = monitor_command(graph(monitor=MONITOR), "/srv/other.yaml", "2026-01-06")
    assert words[:3] == ["gaterank", "monitor", "/srv/other.yaml"]
    assert words[-1] == "--complete"
    assert dict(zip(words[3:-1:2], words[4:-1:2], strict=True)) == {
        "--workspace": "/srv/workspace",
        "--requests": "/srv/served/demo",
        "--logs": "/srv/logs",
        "--day": "2026-01-06",
    }


@pytest.mark.parametrize("changes", [{}, {"monitor": None}, {"monitor": MONITOR}])
def test_a_graph_is_read_as_it_was_written(tmp_path, changes):
    path = tmp_path / "demo.airflow.json"
    path.write_text(json.dumps(graph(**changes)))
    assert load_graph(path) == graph(**changes)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ({"format": 2}, "must have format 1"),
        ({"ranker": "../x"}, "ranker must be"),
        ({"gaterank": "rm -rf"}, "gaterank must be"),
        ({"wait": -1}, "wait must be"),
        ({"workspace": None}, "workspace must be"),
        ({"nodes": []}, "nodes must be"),
        ({"nodes": [{"id": "A", "upstream": ["B"]}]}, "nodes.A.upstream must be"),
        ({"nodes": [{"id": "A b", "upstream": []}]}, "nodes.id must be"),
        ({"start_date": "soon"}, "Invalid isoformat"),
        ({"monitor": "daily"}, "monitor must be"),
        ({"monitor": {"requests": "/served", "cron": None}}, "monitor.cron must be"),
        ({"monitor": {"requests": "/served", "cron": "", "retrain": 1}}, "monitor.retrain must"),
        ({"cron": "x" * MAX_BYTES}, "at most"),
    ],
)
def test_a_graph_that_gaterank_would_not_write_is_refused(tmp_path, broken, rule):
    path = tmp_path / "demo.airflow.json"
    path.write_text(json.dumps(graph(**broken)))
    with pytest.raises(ValueError, match=rule):
        load_graph(path)


def test_a_command_gets_nothing_of_airflow_and_its_lines_are_seen(monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret")
    monkeypatch.setenv("KEPT", "kept by the test")
    seen = "v for v in os.environ.values() if v in ('secret', 'kept by the test')"
    program = f"import os; print(sorted({seen}))"
    with Command([sys.executable, "-c", f"{program}; raise SystemExit(8)"]) as command:
        assert list(command.lines()) == ["['kept by the test']"]
        assert command.wait() == 8


def test_what_a_command_has_started_ends_with_it():
    program = (
        "import signal, subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(8)); "
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with Command([sys.executable, "-c", program]) as command:
        child = int(next(command.lines()))
        os.kill(child, 0)
    assert command.wait() == 8, "it was asked to end, not killed"
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child is still there")


def test_a_command_that_does_not_end_is_killed():
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    command = Command([sys.executable, "-c", program + "print('up', flush=True); time.sleep(600)"])
    assert next(command.lines()) == "up"
    command.stop(grace=0.2)
    assert command.wait() == -signal.SIGKILL
