"""What docs/kubeflow.md shows is what clients and the configuration take."""

import re
import shlex
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform
from kfp.cli.recurring_run import recurring_run
from kfp.cli.run import run

from pipeline.kubeflow.spec import kubeflow_documents, write_documents
from tests.pipeline.kubeflow_golden import VERTEX, make_config
from tests.pipeline.tiny import ROOT

PAGE = (ROOT / "docs" / "kubeflow.md").read_text()


class FakeClient:
    """Takes what the real one takes, and remembers it."""

    def create_experiment(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(experiment_id=f"id of {name}")

    def _take(self, **arguments):
        self.taken = arguments
        return SimpleNamespace(run_id="1", recurring_run_id="1")

    create_recurring_run = run_pipeline = _take


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)
    return [text for name, text in found if name == language]


def commands() -> list[list[str]]:
    lines = (line for block in blocks("") for line in block.splitlines())
    return [shlex.split(line)[1:] for line in lines if line.startswith("kfp ")]


@pytest.fixture
def spec(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for target, changes in (("kubeflow", {}), ("vertex", VERTEX)):
        documents = kubeflow_documents(make_config(kubeflow=changes), target)
        (tmp_path / f"ranker.{target}.yaml").write_text(write_documents(documents))


def test_the_section_is_one():
    section = yaml.safe_load(blocks("yaml")[0])["kubeflow"]
    spec = kubeflow_documents(make_config(kubeflow=section), "kubeflow")[0]
    executors = spec["deploymentSpec"]["executors"].values()
    assert sum("accelerator" in one["container"]["resources"] for one in executors) == 2


def test_the_commands_of_kubeflow_are_taken(spec, monkeypatch):
    monkeypatch.setattr("kfp.cli.output.print_output", lambda *_: None)
    monkeypatch.setattr("kfp.cli.run.display_run", lambda *_: None)
    groups = {"run": run, "recurring-run": recurring_run}
    taken = {}
    for group, *arguments in commands():
        client = FakeClient()
        context = {"client": client, "output": "json", "namespace": "kubeflow"}
        done = CliRunner().invoke(groups[group], arguments, obj=context)
        assert done.exit_code == 0, (done.output, done.exception)
        taken[group] = client.taken
    assert taken["run"]["params"] == {"span": "2026-01-05"}
    assert taken["recurring-run"]["cron_expression"] == "0 0 6 * * *"
    assert taken["recurring-run"]["max_concurrency"] == 1
    assert taken["recurring-run"]["no_catchup"] is True
    assert taken["recurring-run"]["enable_caching"] is None


def test_the_schedule_of_vertex_is_taken(spec, monkeypatch):
    made = []
    monkeypatch.setattr(
        aiplatform.PipelineJobSchedule, "create", lambda self, **given: made.append((self, given))
    )
    aiplatform.init(credentials=AnonymousCredentials())
    (code,) = blocks("python")
    exec(compile(code, "kubeflow.md", "exec"), {})
    ((schedule, given),) = made
    assert given["max_concurrent_run_count"] == 1
    assert schedule._gca_resource.create_pipeline_job_request.pipeline_job.pipeline_spec
