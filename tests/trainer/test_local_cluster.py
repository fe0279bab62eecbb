"""A cluster on this machine: its processes begin together, and end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.strategies.local_cluster import run_local_cluster
from trainer.strategies.options import parse_strategy
from transforms.errors import ClusterError, InputError

ROOT = Path(__file__).resolve().parents[2]
TWO = parse_strategy({"kind": "multi_worker", "workers": 2})
SERVED = parse_strategy({"kind": "parameter_server", "workers": 2, "parameter_servers": 1})
# Each process says who it is and then does what is written for it.
SAYS = """
import json, os, signal, sys, time
config = json.loads(os.environ["TF_CONFIG"])
name = "{type} {index}".format(**config["task"])
print(name, os.getpid(), json.dumps(config["cluster"]), flush=True)
"""
SLEEPS = "time.sleep(600)"


def command(**parts: str) -> list[str]:
    """A member that does one of `parts`, named by its job and number; by default nothing."""
    lines = [f"if name == {part.replace('_', ' ')!r}: {does}" for part, does in parts.items()]
    return [sys.executable, "-c", "\n".join([SAYS, *lines])]


def read_logs(folder: Path) -> dict[str, tuple[int, dict]]:
    """Member -> its process id and the cluster that it saw."""
    said = {}
    for log in folder.glob("*.log"):
        if lines := log.read_text().splitlines():  # none if it was ended before it could speak
            job, index, pid, cluster = lines[0].split(" ", 3)
            said[f"{job} {index}"] = int(pid), json.loads(cluster)
    return said


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(holds())


def test_all_members_see_one_cluster_in_which_each_has_its_place(tmp_path):
    run_local_cluster(command(), TWO, tmp_path / "logs")
    said = read_logs(tmp_path / "logs")
    assert set(said) == {"worker 0", "worker 1"}
    assert said["worker 0"][1] == said["worker 1"][1]
    assert len(set(said["worker 0"][1]["worker"])) == 2


def test_servers_are_ended_once_the_chief_is_done(tmp_path):
    serving = dict.fromkeys(("worker_0", "worker_1", "ps_0"), SLEEPS)
    # The chief must not be done before the others have said who they are.
    run_local_cluster(command(chief_0="time.sleep(1)", **serving), SERVED, tmp_path)
    said = read_logs(tmp_path)
    assert set(said) == {"chief 0", "worker 0", "worker 1", "ps 0"}
    assert not any(is_running(pid) for pid, _ in said.values())


@pytest.mark.parametrize(
    ("does", "how"),
    [
        ("print('out of luck'); sys.exit(3)", "worker 1 ended with exit code 3"),
        ("print('out of luck', flush=True); os.kill(os.getpid(), 9)", "worker 1 ended by signal"),
        ("raise ValueError('out of luck')", "worker 1 ended with exit code 1"),
    ],
)
def test_if_one_fails_all_are_ended_and_its_last_lines_are_said(tmp_path, does, how):
    with pytest.raises(ClusterError) as failure:
        run_local_cluster(command(worker_0=SLEEPS, worker_1=does), TWO, tmp_path)
    message = str(failure.value)
    assert message.startswith(how)
    assert "out of luck" in message
    assert str(tmp_path / "worker-1.log") in message
    assert not any(is_running(pid) for pid, _ in read_logs(tmp_path).values())


def test_the_one_that_failed_is_named_and_not_those_that_lost_it(tmp_path):
    lost, failed = f"sys.exit({ClusterError.exit_code})", "time.sleep(1); sys.exit(1)"
    with pytest.raises(ClusterError, match="worker 1 ended with exit code 1"):
        run_local_cluster(command(worker_0=lost, worker_1=failed), TWO, tmp_path)


def test_of_a_long_log_the_end_is_said(tmp_path):
    does = "print('\\n'.join(map(str, range(100_000)))); sys.exit(1)"
    with pytest.raises(ClusterError) as failure:
        run_local_cluster(command(worker_1=does), TWO, tmp_path)
    assert str(failure.value).splitlines()[1:] == [str(i) for i in range(99_980, 100_000)]


def test_logs_that_cannot_be_written_are_said(tmp_path):
    (tmp_path / "logs").touch()
    with pytest.raises(InputError, match="logs: cannot be written"):
        run_local_cluster(command(), TWO, tmp_path / "logs")


def test_members_end_with_the_process_that_started_them_whatever_ends_it(tmp_path):
    member = "from trainer.strategies.member import tie; tie(); time.sleep(600)"
    call = f"run_local_cluster({command(worker_0=member, worker_1=member)!r}, parse_strategy("
    program = (
        "from pathlib import Path\n"
        "from trainer.strategies.local_cluster import run_local_cluster\n"
        "from trainer.strategies.options import parse_strategy\n"
        f"{call}{{'kind': 'multi_worker', 'workers': 2}}), Path({str(tmp_path)!r}))"
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", program], env=environ) as parent:
        try:
            logs = [tmp_path / f"worker-{i}.log" for i in range(2)]
            assert wait_until(lambda: all(p.is_file() and p.read_text() for p in logs))
        finally:
            parent.send_signal(signal.SIGKILL)
    pids = [pid for pid, _ in read_logs(tmp_path).values()]
    assert wait_until(lambda: not any(map(is_running, pids)))
