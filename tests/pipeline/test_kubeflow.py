"""The pipeline as a spec of KFP, for Kubeflow Pipelines and for Vertex AI."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from kfp import components

from pipeline.cli.main import cli
from pipeline.graph import pipeline_graph
from pipeline.kubeflow.check import BrokenSpecError, check_documents
from pipeline.kubeflow.spec import kubeflow_documents, write_documents
from tests.pipeline.kubeflow_golden import GOLDEN, GPU, SECTION, VERTEX, golden_text, make_config
from tests.pipeline.tiny import write_tiny
from transforms.errors import ConfigError

TPU = {"accelerator": {"type": "google.com/tpu", "count": 4}}


@pytest.fixture(scope="module")
def documents() -> list[dict]:
    return kubeflow_documents(make_config(), "kubeflow")


def tasks_of(documents: list[dict]) -> dict[str, dict]:
    return documents[0]["root"]["dag"]["tasks"]


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_the_spec_is_the_golden_one(target):
    golden = (GOLDEN / f"{target}.yaml").read_text()
    assert golden_text(target) == golden, "if it is as wanted, tests/pipeline/kubeflow_golden.py"


def test_it_has_the_components_and_arrows_of_every_other_orchestrator(documents):
    tasks = tasks_of(documents)
    graph = {node.id: set(node.upstream) for node in pipeline_graph(make_config())}
    assert set(tasks) - set(graph) == {"FindInputs", "KeepBases"}
    for name, upstream in graph.items():
        # A resolver asks ML Metadata about the examples; here FindInputs has asked before.
        wanted = {"FindInputs"} if name.endswith("Base") else upstream
        assert set(tasks[name].get("dependentTasks", ())) - {"FindInputs"} == wanted - {
            "FindInputs"
        }


def test_compiling_makes_no_folder_of_a_container(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace = Path("/srv/made_by_gaterank_compile")
    kubeflow_documents(make_config(kubeflow={"workspace": str(workspace)}), "kubeflow")
    pipeline_graph(make_config())
    assert not workspace.exists()
    assert list(tmp_path.iterdir()) == []


def test_clients_read_it(documents, tmp_path):
    text = write_documents(documents)
    assert set(components.load_component_from_text(text).pipeline_spec.components) == set(
        tasks_of(documents)
    )
    vertex = kubeflow_documents(make_config(kubeflow=VERTEX), "vertex", "gs://bucket/logs")
    assert len(vertex) == 1
    (tmp_path / "vertex.yaml").write_text(write_documents(vertex))
    job = aiplatform.PipelineJob(
        display_name="demo",
        template_path=str(tmp_path / "vertex.yaml"),
        parameter_values={"span": "2026-01-06"},
        project="rankers",
        location="europe-west4",
        credentials=AnonymousCredentials(),
    )
    runtime = job._gca_resource.runtime_config
    assert runtime.gcs_output_directory == SECTION["pipeline_root"]
    assert runtime.parameter_values["span"] == "2026-01-06"


def test_a_run_can_name_its_day_and_its_logs(documents):
    inputs = documents[0]["root"]["inputDefinitions"]["parameters"]
    assert inputs["span"] == {"parameterType": "STRING", "defaultValue": "", "isOptional": True}
    assert inputs["logs"] == {"parameterType": "STRING"}, "the YAML names none"
    named = kubeflow_documents(make_config(), "kubeflow", "gs://bucket/logs")
    assert named[0]["root"]["inputDefinitions"]["parameters"]["logs"]["defaultValue"] == (
        "gs://bucket/logs"
    )


def test_all_but_what_looks_outside_is_taken_from_the_cache_unless_it_is_told_not_to():
    def cached(**section) -> set[str]:
        tasks = tasks_of(kubeflow_documents(make_config(kubeflow=section), "kubeflow"))
        return {name for name, task in tasks.items() if task["cachingOptions"].get("enableCache")}

    everything = {node.id for node in pipeline_graph(make_config())} | {"KeepBases"}
    assert cached() == everything
    assert cached(uncached=["Pusher", "KeepBases"]) == everything - {"Pusher", "KeepBases"}
    assert cached(caching=False) == set()


def test_a_container_has_its_resources_and_the_others_the_default():
    small = {"cpu": "500m", "memory": "2G"}
    section = {"resources": {"default": small, "CandidateTrainer": GPU}}
    spec, platform = kubeflow_documents(make_config(kubeflow=section), "kubeflow")
    containers = {
        name.removesuffix("_executor"): one["container"]
        for name, one in spec["deploymentSpec"]["executors"].items()
    }
    trainer, other = containers["CandidateTrainer"], containers["BaselineTrainer"]
    assert trainer["image"] == GPU["image"]
    assert trainer["resources"]["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert trainer["resources"]["accelerator"]["count"] == "1"
    assert trainer["resources"]["memoryLimit"] == pytest.approx(30 * 1.073741824)
    assert other["image"] == SECTION["image"]
    assert (other["resources"]["cpuLimit"], other["resources"]["memoryLimit"]) == (0.5, 2.0)
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["CandidateTrainer_executor"]["nodeSelector"]["labels"] == GPU["node_selector"]
    for one in executors.values():
        assert one["pvcMount"][0]["mountPath"] == SECTION["workspace"]
        assert one["pvcMount"][0]["constant"] == SECTION["claim"]


def test_only_what_runs_on_beam_is_told_about_it_and_by_uris_where_workers_are_elsewhere():
    spec = kubeflow_documents(
        make_config(
            kubeflow=VERTEX,
            bulk_inference={},
            beam={"runner": "dataflow", "options": {"project": "rankers"}},
        ),
        "vertex",
    )[0]
    arguments = {
        name.removesuffix("_executor"): one["container"]["args"]
        for name, one in spec["deploymentSpec"]["executors"].items()
    }
    remote = {name for name, args in arguments.items() if "--runner=DataflowRunner" in args}
    assert remote == {"LogExampleGen", "StatisticsGen", "Transform"}
    assert {name for name, args in arguments.items() if "--artifacts=uris" in args} == remote
    others = set(arguments) - remote
    assert {name for name, args in arguments.items() if "--artifacts=copies" in args} == others
    on_beam = {name for name, args in arguments.items() if any("--runner=" in arg for arg in args)}
    assert on_beam == {*remote, "BulkInferrer"}
    store = tasks_of([spec])["LogExampleGen"]["inputs"]["parameters"]["store"]
    assert store["runtimeValue"]["constant"] == "gs://bucket/workspace/spans/demo"


@pytest.mark.parametrize(
    ("target", "changes", "message"),
    [
        ("kubeflow", {"kubeflow": None}, "kubeflow: must be in the YAML"),
        ("kubeflow", {"kubeflow": {"claim": None}}, "claim: must name a PersistentVolumeClaim"),
        ("kubeflow", {"kubeflow": {"workspace": "/gcs/bucket"}}, "workspace: must not be below"),
        ("vertex", {}, "workspace: must be below /gcs/"),
        ("vertex", {"kubeflow": {**VERTEX, "claim": "c"}}, "no claims on Vertex AI"),
        (
            "vertex",
            {"kubeflow": {**VERTEX, "pipeline_root": "s3://b/r"}},
            "must be gs:// on Vertex",
        ),
        (
            "vertex",
            {"kubeflow": {**VERTEX, "resources": {"default": GPU}}},
            "default.node_selector: there are no nodes",
        ),
        (
            "kubeflow",
            {"kubeflow": {"pipeline_root": "minio://b/r"}, "beam": {"runner": "flink"}},
            "must be gs:// where Beam runs on other machines",
        ),
        (
            "kubeflow",
            {"kubeflow": {"resources": {"Trainer": GPU}}},
            "resources: must name components",
        ),
        ("kubeflow", {"kubeflow": {"uncached": ["default"]}}, "uncached: must name components"),
        ("kubeflow", {"kubeflow": {"resources": {"BaselineTrainer": TPU}}}, "need each other"),
        ("kubeflow", {"training": {"strategy": "tpu"}}, "CandidateTrainer.accelerator: a TPU"),
        ("kubeflow", {"training": {"strategy": "multi_worker"}}, "multi_worker needs `workers`"),
        (
            "kubeflow",
            {"logs": {"spans": None}, "schedule": None},
            "training.base: needs `logs.spans`",
        ),
    ],
)
def test_what_a_target_cannot_run_is_refused(target, changes, message):
    with pytest.raises(ConfigError, match=message):
        kubeflow_documents(make_config(**changes), target)


def test_a_tpu_is_given_to_trainings_that_use_it():
    section = {"resources": {"CandidateTrainer": TPU, "BaselineTrainer": TPU}}
    spec = kubeflow_documents(
        make_config(kubeflow=section, training={"strategy": "tpu"}), "kubeflow"
    )[0]
    trainer = spec["deploymentSpec"]["executors"]["BaselineTrainer_executor"]["container"]
    assert trainer["resources"]["accelerator"]["resourceCount"] == "4"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("root", "dag", "tasks", "Pusher", "nonsense"), 1, "must be a spec of KFP"),
        (("root", "dag", "tasks", "Pusher", "dependentTasks"), ["Odd"], "must wait for tasks"),
        (("root", "dag", "tasks", "Pusher", "dependentTasks"), [], "wait for what it reads"),
        (
            ("root", "dag", "tasks", "Pusher", "componentRef", "name"),
            "Odd",
            "must have a component",
        ),
        (
            ("components", "LogExampleGen", "inputDefinitions", "parameters", "span"),
            {"parameterType": "STRING"},
            r"LogExampleGen.span: must be given a value of its type",
        ),
        (
            ("components", "Pusher", "inputDefinitions", "artifacts", "model"),
            {"artifactType": {"instanceSchema": "title: tfx.Schema\ntype: object\n"}},
            r"Pusher.model: must be an output of the same type",
        ),
        (
            ("components", "Pusher", "inputDefinitions", "parameters", "more"),
            {"parameterType": "STRING"},
            r"Pusher: must be given \['more'\]",
        ),
    ],
)
def test_a_broken_spec_is_found(documents, path, value, message):
    broken = copy.deepcopy(documents)
    place = broken[0]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(BrokenSpecError, match=message):
        check_documents(broken)


def test_the_verb_writes_it(tmp_path):
    path, _ = write_tiny(tmp_path, kubeflow=SECTION)
    out = tmp_path / "out.yaml"

    def compile_(*arguments: str):
        return CliRunner().invoke(cli, ["compile", str(path), "--out", str(out), *arguments])

    done = compile_("--target", "kubeflow", "--logs", "gs://bucket/logs")
    assert done.exit_code == 0, done.output
    assert "15 components" in done.output
    spec, platform = yaml.safe_load_all(out.read_text())
    assert spec["pipelineInfo"]["name"] == "demo"
    assert json.dumps(platform).count("/mnt/gaterank") == 15
    for wrong in (["--target", "kubeflow", "--workspace", str(tmp_path)], ["--target", "airflow"]):
        assert "--workspace" in str(compile_(*wrong).exception)
