"""A real scheduler, and a stand-in for gaterank that fails as it is told: the outcome of each.

Needs Airflow's environment, which `make airflow-demo` makes, and fifteen minutes.
"""

import http.server
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployment.airflow.instance import Instance
from deployment.engines.daemons import wait_until
from tests.deployment import stub_gaterank
from tests.deployment.airflow_graph import graph

BIN = Path(__file__).resolve().parents[2] / "build" / "airflow" / "venv" / "bin"
STUB = Path(stub_gaterank.__file__)
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (BIN / "airflow").exists(), reason="`make airflow-demo` was not run"),
]
TODAY = datetime.now(UTC).date()
NODES = ("LogExampleGen", "CandidateTrainer", "EvaluateRanker", "Pusher", "ReportGates")
SECONDS = 600


def day(age: int) -> str:
    """A date so many days before today."""
    return (TODAY - timedelta(days=age)).isoformat()


def interval(age: int) -> str:
    """The scheduled run that ends so many days before today, and trains on the day before."""
    return f"scheduled__{day(age + 1)}T00:00:00+00:00"


class Webhook(http.server.ThreadingHTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.posts: list[tuple[str | None, dict[str, Any]]] = []
        posts = self.posts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append((self.headers["Authorization"], json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing, on the terminal."""

        super().__init__(("127.0.0.1", 0), Handler)


class Scene:
    """A ranker whose gaterank is the stub, under a scheduler of its own.

    Args:
        folder: of all.
        webhook: gets the alerts.
    """

    dag = "gaterank_demo"

    def __init__(self, folder: Path, webhook: Webhook) -> None:
        self.folder = folder
        host, port = webhook.server_address[:2]
        alerts = {"conn_type": "http", "host": f"http://{host}:{port}/x", "password": "token"}
        self.airflow = Instance(
            folder / "airflow",
            BIN,
            {
                "AIRFLOW_CONN_ALERTS": json.dumps(alerts),
                "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
                "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
                "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            },
        )

    def start(self, plan: dict[str, Any], days: int = 1, **changes: Any) -> None:
        """Starts the scheduler on the last days."""
        (self.folder / "plan.json").write_text(json.dumps(plan))
        nodes = [
            {
                "id": name,
                "upstream": list(NODES[max(index - 1, 0) : index]),
                "trains": name == "CandidateTrainer",
                "pushes": name == "Pusher",
            }
            for index, name in enumerate(NODES)
        ]
        times = {"wait": 600, "poll": 2, "retry_delay": 1, "step_timeout": 300, "deadline": 9e6}
        document = graph(
            gaterank=[sys.executable, str(STUB), str(self.folder)],
            nodes=nodes,
            start_date=day(days),
            cron="0 0 * * *",
            days_ahead=0,
            **(times | changes),
        )
        self.airflow.prepare(document)
        self.airflow.start_scheduler()
        self.airflow.airflow("dags", "unpause", self.dag)

    def wait(self, holds: Callable[[], bool]) -> None:
        assert wait_until(holds, SECONDS), (self.states(), self.journal())

    def ended(self, runs: int) -> dict[str, str]:
        """The states of the runs, once so many have ended."""
        self.wait(lambda: len(self.airflow.ended(self.dag)) >= runs)
        return self.airflow.ended(self.dag)

    def states(self) -> dict[str, dict[str, str]]:
        return {run: self.airflow.tasks(self.dag, run) for run in self.airflow.runs(self.dag)}

    def journal(self, what: str = "start") -> list[dict[str, Any]]:
        return [entry for entry in stub_gaterank.read(self.folder) if entry["what"] == what]

    def steps(self, which: str) -> list[str]:
        """The components that were started for a day, in order."""
        return [one["name"] for one in self.journal() if one["day"] == which and one["run"]]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def scene(tmp_path: Path, webhook: Webhook) -> Iterator[Scene]:
    made = Scene(tmp_path, webhook)
    yield made
    made.airflow.daemons.stop()


def test_a_late_day_is_waited_for_and_a_missing_one_does_not_hold_up_the_next(scene, webhook):
    plan = {f"ready {day(3)}": [7], f"ready {day(2)}": [7, 7, 7, 0]}
    scene.start(plan, days=3, wait=25)
    assert scene.ended(3) == {
        interval(2): "failed",
        interval(1): "success",
        interval(0): "success",
    }
    missing = scene.states()[interval(2)]
    assert missing["day_is_there"] == "failed"
    assert {missing[name] for name in NODES} == {"upstream_failed"}
    assert scene.steps(day(3)) == []
    assert scene.steps(day(2)) == list(NODES) == scene.steps(day(1)), "in order, each once"
    late = [one for one in scene.journal() if one["name"] == "ready" and one["day"] == day(2)]
    assert len(late) == 4
    # Told once, with the token of the connection, and in words for programs.
    (token, alert), *rest = webhook.posts
    assert rest == [] and token == "Bearer token"
    assert (alert["event"], alert["task"], alert["run"]) == ("failed", "day_is_there", interval(2))


def test_what_may_pass_is_tried_again_and_what_does_not_is_not(scene, webhook):
    plan = {
        f"CandidateTrainer {day(3)}": [8, -9, 0],
        f"LogExampleGen {day(2)}": [2],
        f"Pusher {day(1)}": [4],
    }
    scene.start(plan, days=3)
    assert scene.ended(3) == {
        interval(2): "success",
        interval(1): "failed",
        interval(0): "success",
    }
    again = [one["run"] for one in scene.journal() if one["name"] == "CandidateTrainer"][:3]
    assert len(set(again)) == 1, "a task that is tried again belongs to the same run"
    assert scene.steps(day(3)).count("CandidateTrainer") == 3
    assert scene.steps(day(2)) == ["LogExampleGen"], "bad input is tried once"
    refused = scene.states()[interval(0)]
    assert (refused["Pusher"], refused["ReportGates"]) == ("skipped", "success")
    events = [(alert["event"], alert["task"]) for _, alert in webhook.posts]
    assert events == [("failed", "LogExampleGen"), ("not_pushed", "Pusher")]


def test_a_day_that_is_not_done_by_its_deadline_is_reported(scene, webhook):
    scene.start({f"ready {day(1)}": [7]}, days=2, deadline=1)
    scene.wait(lambda: any(alert["event"] == "late" for _, alert in webhook.posts))
    alert = next(alert for _, alert in webhook.posts if alert["event"] == "late")
    assert alert["task"] == "ReportGates"
    assert alert["due"] == f"{day(0)}T00:00:00+00:00", "the run whose day is the one before"


def test_two_runs_at_once_go_one_after_the_other(scene):
    scene.start({"seconds": {"CandidateTrainer": 20}})
    scene.wait(lambda: any(one["name"] == "CandidateTrainer" for one in scene.journal()))
    conf = json.dumps({"day": day(5)})
    scene.airflow.airflow("dags", "trigger", scene.dag, "--run-id", "by_hand", "--conf", conf)
    assert set(scene.ended(2).values()) == {"success"}
    days = [one["day"] for one in scene.journal() if one["run"]]
    assert days == [day(1)] * len(NODES) + [day(5)] * len(NODES)


def test_an_old_day_is_run_again_as_a_whole_under_a_new_name(scene):
    scene.start({}, days=2)
    scene.ended(2)
    dates = ["--start-date", day(2), "--end-date", day(2)]
    scene.airflow.airflow("tasks", "clear", scene.dag, "--yes", *dates)
    scene.wait(lambda: len(scene.steps(day(2))) == 2 * len(NODES))
    scene.ended(2)
    names = {one["run"].partition("@")[0] for one in scene.journal() if one["run"]}
    assert names == {interval(1), interval(0)}
    assert len({one["run"] for one in scene.journal() if one["day"] == day(2) and one["run"]}) == 2
    assert scene.steps(day(1)) == list(NODES), "the later day stays as it is"


def test_backfill_goes_through_days_before_the_start_in_their_order(scene):
    scene.start({}, days=1)
    scene.ended(1)
    dates = ["--start-date", day(4), "--end-date", day(3)]
    scene.airflow.airflow("dags", "backfill", scene.dag, "--ignore-first-depends-on-past", *dates)
    days = [one["day"] for one in scene.journal() if one["run"]]
    assert days == [name for name in (day(1), day(4), day(3)) for _ in NODES]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_scheduler_that_is_killed_goes_on_when_it_is_started_again(scene, how):
    scene.start({"seconds": {"CandidateTrainer": 15}})
    scene.wait(lambda: any(one["name"] == "CandidateTrainer" for one in scene.journal()))
    pid = scene.airflow.daemons.pid("scheduler")
    os.kill(pid, how)
    scene.wait(lambda: not Path(f"/proc/{pid}").exists() or is_zombie(pid))
    time.sleep(3)
    scene.airflow.start_scheduler()
    assert scene.ended(1) == {interval(0): "success"}
    steps = scene.steps(day(1))
    assert list(dict.fromkeys(steps)) == list(NODES)
    assert {name for name in NODES if steps.count(name) > 1} <= {"CandidateTrainer"}
    assert overlaps(stub_gaterank.read(scene.folder)) == 0
    assert len({one["run"] for one in scene.journal() if one["run"]}) == 1


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, and nobody has asked how."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def overlaps(journal: list[dict[str, Any]]) -> int:
    """How many components ended after another one had started; one that was killed never ends."""
    bad, running = 0, None
    for entry in journal:
        key = (entry["name"], entry["day"])
        if entry["what"] == "end":
            bad += key != running
        running = key if entry["what"] == "start" else None
    return bad
