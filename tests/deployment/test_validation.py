"""Every check of `make validate-deployment`, and that its tools find faults at all."""

import json

import pytest
import yaml

from deployment.validation.checks import CHARTS, MONITORING, all_checks, dashboard_queries, render
from deployment.validation.schemas import VERSIONS, make_job_schema
from deployment.validation.tools import find_tools
from transforms.errors import GaterankError, InputError

TOOLS = find_tools()
CHECKS = list(all_checks())


def need(tool: str) -> None:
    if tool not in TOOLS.programs:
        pytest.skip(f"no {tool}: `make validate-deployment` makes it")


@pytest.mark.parametrize(
    ("tool", "check"),
    [(tool, check) for _, tool, check in CHECKS],
    ids=[f"{tool}-{about}" for about, tool, _ in CHECKS],
)
def test_a_file_has_no_fault(tool, check):
    need(tool)
    check(TOOLS)


def test_all_files_are_checked():
    about = " ".join(name for name, _, _ in CHECKS)
    for name in (
        "serve.Dockerfile",
        "train.Dockerfile",
        "multi_worker.yaml",
        "tpu.yaml",
        "compose",
    ):
        assert name in about
    assert {tool for _, tool, _ in CHECKS} == {
        *("hadolint", "helm", "kubeconform", "promtool", "compose")
    }


def refuses(tool: str, *arguments, given: str = "", **variables: str) -> str:
    """What a tool says of a file that has a fault."""
    need(tool)
    with pytest.raises(GaterankError) as error:
        TOOLS.run(tool, *arguments, given=given, **variables)
    return str(error.value)


def test_a_root_user_in_an_image_is_a_fault(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nUSER root\n")
    assert "DL3002" in refuses("hadolint", tmp_path / "Dockerfile")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("chart", "name", "right", "wrong"),
    [
        ("serving", "gaterank", "terminationGracePeriodSeconds: 30", "gracePeriod: 30"),
        ("serving", "gaterank", "maxReplicas: 10", "maxReplicas: many"),
        ("training", "multi_worker", "cleanPodPolicy: Running", "cleanPods: Running"),
        ("training", "multi_worker", "emptyDir: {}", "emptyDirectory: {}"),
        ("training", "run", "concurrencyPolicy: Forbid", "concurrency: Forbid"),
    ],
)
def test_a_field_that_kubernetes_has_not_is_a_fault(version, chart, name, right, wrong):
    need("helm")
    folder = CHARTS[("serving", "training").index(chart)]
    objects = render(TOOLS, folder, folder / "examples" / f"{name}.yaml")
    assert right in objects
    place = f"{TOOLS.schemas / version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    options = ["-strict", "-schema-location", place, "-"]
    said = refuses("kubeconform", *options, given=objects.replace(right, wrong))
    assert "is invalid" in said


def test_an_alert_that_comes_too_late_is_a_fault(tmp_path):
    for name in ("recording", "alerts", "alerts_test"):
        text = (MONITORING / "rules" / f"{name}.yml").read_text()
        (tmp_path / f"{name}.yml").write_text(text.replace("for: 5m", "for: 50m"))
    assert "FAILED" in refuses("promtool", "test", "rules", tmp_path / "alerts_test.yml")


def test_a_compose_file_without_models_is_a_fault():
    file = "deployment/compose/compose.yaml"
    said = refuses("compose", "-f", file, "config", MODEL_DIR="")
    assert "a folder of numbered versions" in said


def test_the_variables_of_a_dashboard_are_filled_in():
    panel = {"targets": [{"expr": 'rate(x{job="$job",model=~"$model"}[$__rate_interval])'}]}
    text = json.dumps({"panels": [{"type": "row"}, panel]})
    assert dashboard_queries(text) == ['rate(x{job="x",model=~"x"}[5m])']


SPEC = """
class KubeflowOrgV1TFJobSpec(object):
    openapi_types = {'parts': 'dict(str, KubeflowOrgV1Part)', 'template': 'V1PodTemplateSpec'}
    attribute_map = {'parts': 'theParts', 'template': 'template'}
    def check(self):
        raise ValueError("Invalid value for `parts`, must not be `None`")
"""
PART = """
class KubeflowOrgV1Part(object):
    openapi_types = {'number': 'int'}
    attribute_map = {'number': 'number'}
"""


def test_the_schema_of_a_tfjob_is_read_off_the_sdk(tmp_path):
    (tmp_path / "kubeflow_org_v1_tf_job_spec.py").write_text(SPEC)
    (tmp_path / "kubeflow_org_v1_part.py").write_text(PART)
    spec = make_job_schema(tmp_path)["properties"]["spec"]
    assert spec["required"] == ["theParts"] and spec["additionalProperties"] is False
    part = spec["properties"]["theParts"]["additionalProperties"]
    assert part["properties"] == {"number": {"type": "integer"}}
    assert spec["properties"]["template"]["$ref"].endswith("io.k8s.api.core.v1.PodTemplateSpec")


def test_a_missing_go_is_told(tmp_path, monkeypatch):
    from deployment.validation.tools import make_tools

    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="`go` must be installed"):
        make_tools(lambda _: None, tmp_path)


def test_rules_are_yaml_that_says_what_it_seems_to():
    """`values: 1x120` and the like must stay text."""
    tests = yaml.safe_load((MONITORING / "rules/alerts_test.yml").read_text())["tests"]
    series = [one for test in tests for one in test["input_series"]]
    assert series and all(isinstance(one["values"], str) for one in series)
