"""The compiled spec, run task by task by the command of its containers: two days and a repeat."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RankerConfig
from pipeline.kubeflow.options import Target
from pipeline.kubeflow.spec import kubeflow_documents
from tests.pipeline.kubeflow_driver import Cluster, Execution
from tests.pipeline.kubeflow_golden import SECTION, VERTEX
from tests.pipeline.tiny import tiny_document
from transforms.simulator.simulate import simulate

pytestmark = pytest.mark.long
FIRST = date(2026, 1, 5)


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kubeflow")


@pytest.fixture(scope="module")
def document(folder) -> dict[str, Any]:
    simulate(folder / "logs", 3000, seed=1, days=5)
    document = tiny_document()
    for task in document["tasks"].values():
        task["label"]["may_be_absent"] = True
    document["logs"] |= {"spans": {"window": 2}, "path": str(folder / "logs")}
    document["training"]["base"] = "latest_blessed"
    document["bulk_inference"] = {}
    return document | {"kubeflow": SECTION}


@pytest.fixture(scope="module")
def cluster(folder, document) -> Cluster:
    return make_cluster(folder, document, "kubeflow")


def make_cluster(folder: Path, document: dict[str, Any], target: Target) -> Cluster:
    config = RankerConfig.model_validate(document)
    spec = kubeflow_documents(config, target)[0]
    # The volume is a folder here.
    text = json.dumps(spec).replace(config.kubeflow.workspace, str(folder / "volume"))
    return Cluster(folder, json.loads(text))


@pytest.fixture(scope="module")
def first(cluster) -> Execution:
    return cluster.run("first", span=day(1))


@pytest.fixture(scope="module")
def second(cluster, first) -> Execution:
    cluster.in_process = True
    return cluster.run("second", span=day(2))


def pushed(cluster: Cluster) -> list[str]:
    return sorted(path.name for path in cluster.folder.glob("volume/serving/demo/[0-9]*"))


def base_of(execution: Execution, role: str) -> dict | None:
    inputs = execution.folder("ReportGates", "report") / "inputs.json"
    return json.loads(inputs.read_text())[role]["base"]


def test_a_day_is_run_by_the_commands_of_the_containers(cluster, first):
    assert len(first.executed) == len(cluster.document["components"]) == 19
    assert (first.folder("ReportGates", "report") / "report.html").is_file()
    assert list(first.folder("BulkInferrer", "inference_result").glob("Split-eval/*.parquet"))
    assert pushed(cluster)[:1] == ["1"]
    assert base_of(first, "candidate") is None, "there is no day before"


def test_the_next_day_begins_from_the_blessed_models_of_the_day_before(cluster, second):
    assert pushed(cluster) == ["1", "2"]
    for role in ("candidate", "baseline"):
        assert len(base_of(second, role)["mapped"]) > 10
    figures = json.loads(
        (second.folder("EvaluateRanker", "evaluation") / "figures.json").read_text()
    )
    assert figures["base"]["mean"]["auc"]["baseline"]["value"] > 0.5


def test_a_day_that_is_run_again_is_taken_from_the_cache(cluster, first, second):
    for number, before in ((1, first), (2, second)):
        again = cluster.run(f"again{number}", span=day(number))
        assert again.executed == ["FindInputs"]
        assert again.made["CandidateTrainer"] == before.made["CandidateTrainer"]
    assert pushed(cluster) == ["1", "2"]


def test_on_vertex_a_day_is_run_alike(folder, document):
    changed = document | {"kubeflow": SECTION | VERTEX}
    cluster = make_cluster(folder / "vertex", changed, "vertex")
    cluster.in_process = True
    execution = cluster.run("first", span=day(1))
    assert len(execution.executed) == len(cluster.document["components"]) == 19
    assert pushed(cluster) == ["1"]
