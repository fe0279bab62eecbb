"""The proof of engines: what it compares, what it starts and stops; the proof itself is slow."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployment.engines.alone import bring_loopback_up
from deployment.engines.compare import compare
from deployment.engines.daemons import Daemons, wait_until
from deployment.engines.flink.cluster import FlinkCluster
from deployment.engines.job import Job, make_document
from deployment.engines.kills import Killed, count_shards, kill_in_the_middle
from deployment.engines.parts import Parts, make_once, make_parts
from deployment.engines.spark.cluster import SparkCluster
from deployment.engines.spark.settings import driver_settings
from deployment.engines.trial import Outcome, print_outcomes, run_trial
from pipeline.config import load_config
from transforms.engine import make_args
from transforms.errors import GaterankError, InputError

SLEEPER = "import time; print('ready at door 7', flush=True); time.sleep(600)"
PARENT = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], start_new_session=True)
time.sleep(600)
"""


@pytest.fixture
def daemons(tmp_path):
    started = Daemons(tmp_path / "daemons")
    yield started
    started.stop()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def write(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_equal_folders_have_no_difference(tmp_path):
    one, other = (write(tmp_path / name, a=b"1", b__c=b"", b__d=b"2") for name in "xy")
    assert compare(one, other) == []


def test_every_kind_of_difference_is_told(tmp_path):
    big = bytes(3 << 20)
    one = write(tmp_path / "x", same=b"1", gone=b"1", longer=b"12", late=big + b"0")
    other = write(tmp_path / "y", same=b"1", sub__new=b"1", longer=b"1234", late=big + b"1")
    assert compare(one, other) == [
        "gone: missing",
        f"late: differs from byte {len(big)} on",
        "longer: differs from byte 2 on",
        "sub/new: not expected",
    ]


def test_what_a_killed_worker_left_hidden_is_a_difference(tmp_path):
    other = write(tmp_path / "y")
    other.mkdir()
    (other / ".shard.gz.0123").touch()
    assert compare(tmp_path / "x", other) == [".shard.gz.0123: not expected"]


def test_a_daemon_is_ready_when_its_log_says_so_and_stopped_with_all_that_it_started(daemons):
    found = daemons.start("parent", python(PARENT), {}, r"ready at door (\d+)")
    assert found[1] == "7"
    running = daemons.processes()
    assert daemons.pid("parent") in running and len(running) == 2
    daemons.stop()
    assert not daemons.processes()
    assert not any(Path(f"/proc/{process}/cwd").exists() for process in running)


def test_a_daemon_that_hides_its_environment_is_stopped_too(daemons):
    program = (
        "import ctypes, os, sys, time; print('ready', flush=True); "
        "start, end = map(int, open('/proc/self/stat').read().rpartition(')')[2].split()[47:49]); "
        "ctypes.memset(start, 0, end - start); print('hidden', flush=True); time.sleep(600)"
    )
    daemons.start("hiding", [sys.executable, "-c", program], {}, "hidden")
    pid = daemons.pid("hiding")
    assert b"GATERANK" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert set(daemons.processes()) == {pid}
    # As after a kill: another one has its name, and what is left of the first is not forgotten.
    daemons.start("hiding", [sys.executable, "-c", program], {}, "hidden")
    assert set(daemons.processes()) == {pid, daemons.pid("hiding")}
    daemons.stop()
    assert not daemons.processes()


def test_a_daemon_that_ends_before_it_is_ready_is_an_error(daemons):
    with pytest.raises(GaterankError, match=r"broken: did not get ready; see .*broken\.log"):
        daemons.start("broken", python("print('no')"), {}, "ready")


def test_the_cpu_seconds_of_daemons_are_counted(daemons):
    before = daemons.cpu_seconds()
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint('ready', flush=True)"
    daemons.start("busy", python(f"{busy}\ntime.sleep(600)"), {}, "ready")
    assert daemons.cpu_seconds() - before >= 0.25


def test_daemons_of_another_folder_are_left_alone(daemons, tmp_path):
    daemons.start("mine", python(SLEEPER), {}, "ready")
    Daemons(tmp_path / "other").stop()
    assert daemons.pid("mine") in daemons.processes()


def test_what_was_made_by_the_same_recipe_is_not_made_again(tmp_path):
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "part").touch()

    said = []
    for recipe in ("one", "one", "two"):
        assert (make_once(tmp_path / "parts", recipe, said.append, make) / "part").is_file()
    assert len(made) == len(said) == 2


def test_a_part_that_could_not_be_made_is_not_there(tmp_path):
    def fail(_: Path) -> None:
        raise GaterankError("mvn: failed with 1")

    with pytest.raises(GaterankError, match="mvn"):
        make_once(tmp_path / "parts", "one", lambda _: None, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_program_is_named_with_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr("deployment.engines.parts._install_jars", lambda *_: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"`java` must be installed, on Debian by openjdk-17"):
        make_parts(SparkCluster.recipe, lambda _: None, tmp_path)


@pytest.fixture(params=[SparkCluster, FlinkCluster], ids=["spark", "flink"])
def cluster(request, tmp_path, monkeypatch):
    """A cluster that was never built, whose daemons are only written down."""
    monkeypatch.setattr("deployment.engines.cluster.find_java", lambda: "java")
    parts = Parts(*(tmp_path / name for name in ("home", "server.jar", "no.jar", "boot")))
    cluster = request.param(parts, tmp_path / "cluster")
    said = (
        "Starting Spark master at spark://127.0.0.1:7077\nregistered with master\n"
        "Actor system started at akka.tcp://flink@127.0.0.1:6123\n"
        "Actor system started at akka.tcp://flink-metrics@127.0.0.1:6124\n"
        "Rest endpoint listening at 127.0.0.1:8081\nJobService started on localhost:4711\n"
        "Successful registration at resource manager\n"
    )
    cluster.started = {}

    def start(name, command, variables, ready):
        cluster.started[name] = command
        return re.search(ready, said)

    monkeypatch.setattr(cluster.daemons, "start", start)
    return cluster


def test_a_cluster_is_a_master_workers_that_know_it_and_a_job_server(cluster):
    cluster.start()
    flink = cluster.recipe.name == "flink"
    workers = [f"worker-{i + 1}" for i in range(3 if flink else 2)]
    assert list(cluster.started) == ["master", *workers, "job-server"]
    master = "jobmanager.rpc.port=6123" if flink else "spark://127.0.0.1:7077"
    assert master in cluster.started["worker-1"]
    jobs = "--flink-master=127.0.0.1:8081" if flink else f"--spark-master-url={master}"
    assert jobs in cluster.started["job-server"]
    assert cluster.job_endpoint == "127.0.0.1:4711"


def test_every_java_has_the_runner_first_logs_and_opens_what_is_reached_into(cluster):
    cluster.start()
    for command in cluster.started.values():
        class_path = command[command.index("-cp") + 1]
        assert class_path.startswith(f"{cluster.parts.job_server}:{cluster.parts.home}/")
        assert "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED" in command
        assert "--add-opens=java.base/sun.util.calendar=ALL-UNNAMED" in command
        (settings,) = (word for word in command if word.startswith("-Dlog4j2.conf"))
        assert Path(settings.removeprefix("-Dlog4j2.configurationFile=file:")).is_file()


def test_no_daemon_listens_beyond_loopback_if_it_can_be_told_so(cluster):
    cluster.start()
    words = {name: " ".join(command) for name, command in cluster.started.items()}
    for name in ("master", "worker-1"):
        assert re.search(r"(--host |bind-host=)127\.0\.0\.1", words[name])
    assert "--job-host=127.0.0.1" in words["job-server"]


def test_the_driver_stays_on_loopback_and_survives_a_dead_python_worker():
    settings = driver_settings(Path("/a.jar"), ["-Xmx9g", "-Dx=1", "-Dy=2"], "1g")
    assert "-Dspark.driver.bindAddress=127.0.0.1" in settings
    assert "-Dspark.excludeOnFailure.application.maxFailedTasksPerExecutor=1" in settings
    assert "-Dspark.executor.extraClassPath=/a.jar" in settings
    # Spark sets the heap of its executors itself, and refuses one that is set here.
    assert "-Dspark.executor.extraJavaOptions=-Dx=1 -Dy=2" in settings


def test_the_section_of_a_cluster_is_one_that_the_yaml_takes(cluster, tmp_path):
    cluster.start()
    path = tmp_path / "ranker.yaml"
    path.write_text(yaml.safe_dump(make_document(cluster.section())))
    config = load_config(path)
    assert config.history_features and config.logs.split.by == "time"
    args = make_args(config.beam)
    assert "--job_endpoint=127.0.0.1:4711" in args
    assert f"--files_to_stage={tmp_path / 'no.jar'}" in args


def test_a_victim_is_killed_once_the_first_shard_is_there(daemons, tmp_path):
    daemons.start("victim", python(SLEEPER), {}, "ready")
    write(
        tmp_path / ".out.partial",
        **{"Split-train__data_tfrecord-0-of-2": b"", "Split-train__.half": b""},
    )
    job = subprocess.Popen(python(SLEEPER), stdout=subprocess.DEVNULL)
    try:
        out = tmp_path / "out"
        killed = kill_in_the_middle(job, out, daemons, lambda d: [d.pid("victim")])
        assert killed.process == daemons.pid("victim") and killed.shards == count_shards(out) == 1
        assert wait_until(lambda: not is_alive(killed.process), 5)
    finally:
        job.kill()
        job.wait()


def is_alive(process: int) -> bool:
    """Whether it still runs; a zombie does not."""
    return "zombie" not in Path(f"/proc/{process}/status").read_text()


def test_a_job_that_ends_before_its_first_shard_had_nothing_killed(daemons, tmp_path):
    job = subprocess.Popen(python("pass"))
    assert kill_in_the_middle(job, tmp_path / "out", daemons, lambda _: [os.getpid()]) is None


def test_the_table_tells_what_is_different(capsys):
    job = Job(9.0, 8.0, None)
    right, wrong = Outcome("direct", job, 3), Outcome("spark", job, 3, ("a: missing",))
    late = Outcome("killed", job, 3, is_complete=False)
    print_outcomes([right, wrong, late, Outcome("kill", Job(9.0, 8.0, Killed(1, 5)), 3)])
    said = capsys.readouterr().out
    assert said.count("FAILED") == 2 and "spark: a: missing" in said
    assert "killed: the job ended before anything could be killed" in said
    assert "5 of 32 shards" in said
    assert [one.passed for one in (right, wrong, late)] == [True, False, False]


def test_loopback_that_is_up_is_left_up():
    bring_loopback_up()


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("engine", [SparkCluster, FlinkCluster])
def test_an_engine_writes_the_bytes_of_the_direct_runner_whatever_is_killed(engine, tmp_path):
    outcomes = run_trial(engine, make_parts(engine.recipe, print), tmp_path, 200_000, print)
    assert all(outcome.passed for outcome in outcomes)
    assert not Daemons(tmp_path / "cluster").processes()
