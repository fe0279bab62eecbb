"""A process of a training over machines: who it is, what it waits for, what all leave."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from deployment.training.member import Asked, find_cluster, train_part
from pipeline.config import load_config
from tests.pipeline.tiny import tiny_document, write_tiny
from trainer.strategies.cluster import Cluster
from transforms.errors import ClusterError, ConfigError

ROOT = Path(__file__).resolve().parents[2]


def describe(job: str, index: int, **cluster: list[str]) -> str:
    """TF_CONFIG, as the training operator writes it."""
    task = {"type": job, "index": index}
    return json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})


def asked(folder: Path, strategy: object) -> Asked:
    training = tiny_document()["training"] | {"strategy": strategy}
    _, config = write_tiny(folder, training=training)
    return Asked(config, folder / "examples", folder / "out")


@pytest.mark.parametrize(
    ("strategy", "job", "cluster"),
    [
        ("multi_worker", "worker", {"worker": ["a.ns.svc:2222", "b.ns.svc:2222"]}),
        ("parameter_server", "ps", {"chief": ["a:1"], "worker": ["b:1"], "ps": ["c:1"]}),
    ],
)
def test_the_operator_says_who_a_process_is(tmp_path, strategy, job, cluster):
    found = find_cluster(asked(tmp_path, strategy), {"TF_CONFIG": describe(job, 0, **cluster)})
    assert found.name == f"{job} 0"


@pytest.mark.parametrize(
    ("strategy", "environ", "rule"),
    [
        ("one_device", {}, "one process is trained by `gaterank train`"),
        ("multi_worker", {}, "TF_CONFIG: must name the processes"),
        ("parameter_server", {"TF_CONFIG": describe("worker", 0, worker=["a:1"])}, "one chief"),
    ],
)
def test_what_is_no_cluster_is_refused(tmp_path, strategy, environ, rule):
    with pytest.raises(ConfigError, match=rule):
        find_cluster(asked(tmp_path, strategy), environ)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Path:
    """What `gaterank ingest` makes of a small log."""
    folder = tmp_path_factory.mktemp("ingested")
    config, _ = write_tiny(folder)
    logs, out = folder / "logs", folder / "examples"
    for command in (
        ["simulate", "--out", logs, "--impressions", "2000"],
        ["ingest", config, "--logs", logs, "--out", out],
    ):
        run = [sys.executable, "-m", "pipeline.cli.main", *command]
        subprocess.run(run, check=True, cwd=ROOT, capture_output=True)
    return out


@pytest.mark.slow
def test_a_worker_whose_chief_does_not_come_says_where_it_looked(tmp_path, examples):
    part = Asked(asked(tmp_path, "multi_worker").config, examples, tmp_path / "out")
    text = describe("worker", 1, worker=["a:1", "b:1"])
    with pytest.raises(ClusterError, match=r"out-unfinished/cluster-\w+/job\.json: the chief must"):
        train_part(part, Cluster.model_validate_json(text), 0)


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def train_all(folder: Path, examples: Path, strategy: str, **cluster: int) -> dict[str, str]:
    """Starts the command of each process of a cluster; what each of them said at its end."""
    training = tiny_document()["training"] | {"strategy": strategy}
    config, _ = write_tiny(folder, training=training)
    addresses = {job: free_ports(count) for job, count in cluster.items()}
    command = [sys.executable, "-m", "deployment.training", str(config)]
    command += ["--examples", str(examples), "--out", str(folder / "out")]
    processes = {}
    for job, them in addresses.items():
        for index in range(len(them)):
            variables = {"TF_CONFIG": describe(job, index, **addresses)}
            processes[f"{job} {index}"] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
    chief = "chief 0" if "chief" in cluster else "worker 0"
    try:
        said = {chief: processes[chief].communicate(timeout=500)[0]}
        assert processes[chief].returncode == 0, said[chief]
        if "chief" not in cluster:
            for name in set(processes) - {chief}:
                said[name] = processes[name].communicate(timeout=60)[0]
                assert processes[name].returncode == 0, said[name]
    finally:
        # As the operator does, once the chief is done.
        for process in processes.values():
            process.kill()
            process.wait()
    return said


def is_whole(out: Path) -> bool:
    model = tf.saved_model.load(str(out / "serving"))
    record = json.loads((out / "training.json").read_text())
    unfinished = out.with_name(f"{out.name}-unfinished")
    return (
        bool(record["epochs"])
        and bool(np.isfinite(record["epochs"][-1]["val_loss"]))
        and "rank" in model.signatures
        and (out / "base.npz").is_file()
        and (out / "transform" / "transform_fn").is_dir()
        and not unfinished.exists()
    )


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_workers_train_one_model(tmp_path, examples):
    said = train_all(tmp_path, examples, "multi_worker", worker=2)
    assert is_whole(tmp_path / "out")
    assert all(name in text for name, text in said.items())


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_parameter_server_keeps_what_the_workers_train(tmp_path, examples):
    train_all(tmp_path, examples, "parameter_server", chief=1, worker=2, ps=1)
    assert is_whole(tmp_path / "out")


def test_the_examples_of_the_chart_have_the_strategy_that_they_are_for(tmp_path):
    """The chart's kinds are words of `training.strategy`."""
    for kind in ("multi_worker", "parameter_server", "tpu"):
        document = tiny_document()
        document["training"] |= {"strategy": kind}
        path = tmp_path / f"{kind}.yaml"
        path.write_text(json.dumps(document))
        assert load_config(path).training.strategy.kind == kind
