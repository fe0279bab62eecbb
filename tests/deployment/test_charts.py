"""Charts: their options are the command line's, and what helm makes of them holds together."""

import json
import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from deployment.training.__main__ import train_member
from deployment.validation.checks import CHARTS, render
from deployment.validation.tools import find_tools
from pipeline.cli.main import cli
from serving.manifest.keys import read_verify_keys
from serving.server.options import METRICS_PATH
from serving.server.settings.batching import read_batching_file
from serving.server.settings.model_configs import read_config_file
from serving.server.settings.monitoring import read_monitoring_file
from serving.server.settings.ssl import read_ssl_file
from tests.serving.certificates import write_certificate
from tests.serving.signing import write_keys
from transforms.errors import GaterankError

SERVING, TRAINING = CHARTS
EXAMPLES = [(chart, path) for chart in CHARTS for path in sorted((chart / "examples").iterdir())]
TOOLS = find_tools()
needs_helm = pytest.mark.skipif(
    "helm" not in TOOLS.programs, reason="no helm: `make validate-deployment` makes it"
)
OPTION = re.compile(r"(?:^|[\s\"])(--[a-z][a-z-]+)(?=[=\s\",])", re.M)


def options_of(command: click.Command) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)}


def read_templates(chart: Path, *names: str) -> str:
    return "\n".join((chart / "templates" / name).read_text() for name in names)


def make(chart: Path, name: str, *more: str) -> dict[str, dict]:
    """Kind -> the object that helm makes of an example."""
    text = render(TOOLS, chart, chart / "examples" / f"{name}.yaml", *more)
    return {one["kind"]: one for one in yaml.safe_load_all(text) if one}


def pods_of(thing: dict) -> list[dict]:
    """The specs of the pods that an object, or a part of one, has."""
    found = [thing["template"]["spec"]] if "template" in thing else []
    below = [value for value in thing.values() if isinstance(value, dict)]
    return found + [spec for value in below for spec in pods_of(value)]


@pytest.mark.parametrize(
    ("commands", "chart", "templates"),
    [
        ([cli.commands["serve"]], SERVING, ["_gaterank.tpl"]),
        ([cli.commands["run"]], TRAINING, ["schedule.yaml"]),
        ([cli.commands["train"], train_member], TRAINING, ["_helpers.tpl"]),
    ],
    ids=["serve", "run", "train"],
)
def test_options_in_a_chart_are_those_of_the_command_line(commands, chart, templates):
    found = set(OPTION.findall(read_templates(chart, *templates)))
    assert found
    for command in commands:
        assert found <= options_of(command)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_the_schema_of_values_knows_every_value(chart):
    schema = json.loads((chart / "values.schema.json").read_text())
    values = yaml.safe_load((chart / "values.yaml").read_text())
    assert set(schema["properties"]) == {*values, "global"}
    for name, value in values.items():
        known = schema["properties"][name]
        if known.get("additionalProperties") is False:
            assert set(known["properties"]) == set(value), name


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_an_image_has_a_tag_that_says_something(chart):
    values = yaml.safe_load((chart / "values.yaml").read_text())
    assert all(image["tag"] not in ("", "latest") for image in values["images"].values())


@needs_helm
@pytest.mark.parametrize(("chart", "values"), EXAMPLES, ids=lambda path: path.stem)
def test_nothing_runs_as_root_or_may_become_it(chart, values):
    pods = [pod for one in make(chart, values.stem).values() for pod in pods_of(one)]
    assert pods
    for pod in pods:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        mounted = {volume["name"] for volume in pod["volumes"]}
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert {mount["name"] for mount in container["volumeMounts"]} <= mounted


@needs_helm
@pytest.mark.parametrize("name", ["gaterank", "everything", "tensorflow_serving", "one_pod"])
def test_labels_ports_and_times_of_serving_fit_together(name):
    made = make(SERVING, name)
    pod = made["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert made[kind]["spec"]["selector"]["matchLabels"] == labels
    assert made["Service"]["spec"]["selector"] == labels
    server = pod["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    notes = pod["metadata"]["annotations"]
    assert ports == {"grpc": 8500, "rest": 8501} and int(notes["prometheus.io/port"]) == 8501
    assert notes["prometheus.io/path"] == METRICS_PATH
    assert METRICS_PATH in made["ConfigMap"]["data"]["monitoring.config"]
    assert pod["spec"]["terminationGracePeriodSeconds"] > 15 + 10 - 1
    models = {volume["name"]: volume for volume in pod["spec"]["volumes"]}["models"]
    assert models["persistentVolumeClaim"] == {"claimName": "rankers", "readOnly": True}
    assert {f"{probe}Probe" for probe in ("startup", "readiness", "liveness")} <= set(server)


@needs_helm
def test_the_models_config_of_the_chart_is_one(tmp_path):
    data = make(SERVING, "everything")["ConfigMap"]["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text)
    (config,) = read_config_file(tmp_path / "models.config")
    assert (config.name, config.base_path) == ("news", Path("/models/workspace/serving/news"))
    assert read_batching_file(tmp_path / "batching.txt").max_batch_size == 256
    assert read_monitoring_file(tmp_path / "monitoring.config") == METRICS_PATH
    canary = make(SERVING, "tensorflow_serving")["ConfigMap"]["data"]["models.config"]
    (tmp_path / "canary").write_text(canary)
    (config,) = read_config_file(tmp_path / "canary")
    assert config.labels == {"stable": 1, "canary": 2}


@needs_helm
def test_the_server_scales_on_its_latency_and_on_processors():
    metrics = make(SERVING, "gaterank")["HorizontalPodAutoscaler"]["spec"]["metrics"]
    adapter = (SERVING.parents[1] / "monitoring/prometheus_adapter.yml").read_text()
    assert [metric["type"] for metric in metrics] == ["Pods", "Resource"]
    assert f"as: {metrics[0]['pods']['metric']['name']}" in adapter
    assert "HorizontalPodAutoscaler" not in make(SERVING, "one_pod")


@needs_helm
@pytest.mark.parametrize("name", ["everything", "tensorflow_serving"])
def test_the_script_of_the_chart_writes_a_certificate_that_servers_read(name, tmp_path):
    write_certificate(tmp_path)
    (tmp_path / "certificate.pem").rename(tmp_path / "tls.crt")
    (tmp_path / "key.pem").rename(tmp_path / "tls.key")
    (pod,) = pods_of(make(SERVING, name)["Deployment"])
    (container,) = pod["initContainers"]
    *shell, script = container["command"]
    for place in ("/certificate", "/ssl"):
        assert place in {mount["mountPath"] for mount in container["volumeMounts"]}
        script = script.replace(f"{place}/", f"{tmp_path}/")
    subprocess.run([*shell, script], check=True)
    tls = read_ssl_file(tmp_path / "ssl.config")
    assert tls.key == (tmp_path / "tls.key").read_bytes()
    assert (tmp_path / "ssl.config").stat().st_mode & 0o077 == 0


@needs_helm
def test_a_server_gets_the_public_key_and_is_started_again_for_another_one(tmp_path):
    public = write_keys(tmp_path)[1]
    made = make(SERVING, "gaterank", "--set-file", f"verifyKey={public}")
    (tmp_path / "public.pem").write_text(made["ConfigMap"]["data"]["public.pem"])
    assert read_verify_keys(tmp_path / "public.pem") == read_verify_keys(public)
    template = made["Deployment"]["spec"]["template"]
    server = template["spec"]["containers"][0]
    assert "--verify-key=/etc/ranker/public.pem" in server["args"]
    without = make(SERVING, "gaterank")["Deployment"]["spec"]["template"]
    assert not [one for one in without["spec"]["containers"][0]["args"] if "verify" in one]
    notes = [one["metadata"]["annotations"] for one in (template, without)]
    assert notes[0]["checksum/verify-key"] != notes[1]["checksum/verify-key"]
    (tmp_path / "example.pem").write_text(
        make(SERVING, "everything")["ConfigMap"]["data"]["public.pem"]
    )
    assert len(read_verify_keys(tmp_path / "example.pem").raw) == 1


@needs_helm
def test_tensorflow_serving_is_not_asked_for_what_it_cannot_do(tmp_path):
    public = write_keys(tmp_path)[1]
    with pytest.raises(GaterankError, match="TensorFlow Serving checks no signatures"):
        make(SERVING, "one_pod", "--set-file", f"verifyKey={public}")


@needs_helm
def test_a_private_key_comes_from_a_secret_and_to_the_run_only():
    (pod,) = pods_of(make(TRAINING, "run")["CronJob"])
    (container,) = pod["containers"]
    (volume,) = (one for one in pod["volumes"] if "secret" in one)
    assert volume["secret"] == {"secretName": "ranker-signing", "defaultMode": 0o440}
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == volume["name"])
    assert f"--signing-key={mount['mountPath']}/signing.pem" in container["args"]
    assert mount["readOnly"] is True
    for name, more in (("gpu", ["--set", "signing.secretName=s"]), ("tpu", [])):
        (pod,) = (pod for one in make(TRAINING, name, *more).values() for pod in pods_of(one))
        assert "secret" not in str(pod)


@needs_helm
def test_rest_has_tls_by_gaterank_only():
    schemes = []
    for name in ("everything", "tensorflow_serving", "gaterank"):
        pod = make(SERVING, name)["Deployment"]["spec"]["template"]
        probe = pod["spec"]["containers"][0]["readinessProbe"].get("httpGet", {})
        scheme = pod["metadata"]["annotations"]["prometheus.io/scheme"]
        assert probe.get("scheme", "HTTP").lower() == scheme
        schemes.append(scheme)
    assert schemes == ["https", "http", "http"]


@needs_helm
@pytest.mark.parametrize("name", ["multi_worker", "parameter_server", "gpu"])
def test_a_tfjob_is_such_as_the_operator_runs(name):
    job = make(TRAINING, name)["TFJob"]
    roles = {"multi_worker": {"Worker"}, "gpu": {"Worker"}}
    replicas = job["spec"]["tfReplicaSpecs"]
    assert set(replicas) == roles.get(name, {"Chief", "Worker", "PS"})
    for replica in replicas.values():
        assert replica["restartPolicy"] == "OnFailure"
        (container,) = replica["template"]["spec"]["containers"]
        assert container["name"] == "tensorflow"
        gpus = container["resources"]["limits"].get("nvidia.com/gpu")
        assert gpus == (1 if name == "gpu" else None)


@needs_helm
@pytest.mark.parametrize("name", ["gpu", "tpu", "run"])
def test_a_command_of_a_chart_is_one_of_the_command_line(name):
    (pod,) = (pod for one in make(TRAINING, name).values() for pod in pods_of(one))
    verb, *arguments = pod["containers"][0]["args"]
    context = cli.commands[verb].make_context(verb, list(arguments))
    assert context.params["config"] == Path("/etc/ranker/ranker.yaml")


@needs_helm
@pytest.mark.parametrize(
    ("chart", "name", "wrong"),
    [
        (SERVING, "gaterank", "server=triton"),
        (SERVING, "gaterank", "model.claim="),
        (SERVING, "gaterank", "images.gaterank.tag=latest"),
        (SERVING, "gaterank", "replica=3"),
        (SERVING, "gaterank", "verifyKey=-----BEGIN PRIVATE KEY-----"),
        (TRAINING, "run", "kind=mpi"),
        (TRAINING, "multi_worker", "train.workers=0"),
        (TRAINING, "run", "claim="),
    ],
)
def test_wrong_values_are_refused(chart, name, wrong):
    with pytest.raises(GaterankError, match="values don't meet the specifications"):
        make(chart, name, "--set", wrong)
