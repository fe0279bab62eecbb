"""Rules, dashboard and compose file speak of what a running server really shows."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
import tensorflow as tf
import yaml
from tensorflow_serving.apis import prediction_log_pb2

from pipeline.monitoring.exposition import metrics_text, monitor_registry
from pipeline.monitoring.figures import ALARM_KINDS
from serving.server import BatchingParameters, ServerOptions, running_server
from serving.server.options import METRICS_PATH
from serving.server.request_log.options import RequestLogOptions
from serving.server.status import Code
from tests.pipeline.monitor_inputs import watched_day
from tests.serving.toy_ranker import write_version
from transforms.saved_model import WARM_UP_FILE

DEPLOYMENT = Path(__file__).resolve().parents[2] / "deployment"
MONITORING = DEPLOYMENT / "monitoring"
RULES = {name: MONITORING / "rules" / f"{name}.yml" for name in ("recording", "alerts")}
DASHBOARDS = sorted((MONITORING / "grafana/dashboards").glob("*.json"))
METRIC = re.compile(r":(?:tensorflow|gaterank):\w+(?::\w+)*")
SELECTED = re.compile(r"[{,]\s*(\w+)\s*(?:=~?|!~?=?)\s*\"")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
OF_PROMETHEUS = {"job", "instance", "namespace", "pod"}


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def rules_of(name: str) -> list[dict]:
    return [rule for group in read(RULES[name])["groups"] for rule in group["rules"]]


def queries() -> dict[str, str]:
    """Everything in PromQL: a name -> the expression."""
    found = {rule.get("alert") or rule["record"]: rule["expr"]
             for name in RULES for rule in rules_of(name)}  # fmt: skip
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for variable in dashboard["templating"]["list"]:
            found[f"variable {variable['name']}"] = str(variable.get("query"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                found[f"{panel['title']} {target['refId']}"] = target["expr"]
    (adapter,) = read(MONITORING / "prometheus_adapter.yml")["rules"]["custom"]
    return found | {"adapter": adapter["seriesQuery"]}


def write_warm_up(version: Path) -> None:
    """A record of a request, as a pushed ranker has them."""
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = "serving_default"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    file = version / WARM_UP_FILE
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(log.SerializeToString())


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """The metrics of a server that has batches and a request log, after a request of each kind,
    and those of a day that was watched."""
    folder = tmp_path_factory.mktemp("served")
    write_warm_up(write_version(folder / "ranker", 1, 2.0))
    options = ServerOptions(
        model_dir=folder / "ranker",
        port=0,
        grpc_port=None,
        batching=BatchingParameters(),
        request_log=RequestLogOptions(folder / "log"),
    )
    with running_server(options) as server:
        url = f"http://127.0.0.1:{server.port}"
        body = json.dumps({"inputs": [1.0]}).encode()
        urllib.request.urlopen(f"{url}/v1/models/ranker:predict", body).read()
        shown: str = urllib.request.urlopen(url + METRICS_PATH).read().decode()
    return shown + metrics_text(monitor_registry(watched_day())).decode()


@pytest.fixture(scope="module")
def shown(page) -> set[str]:
    """The names that a query can be about."""
    kinds = dict(re.findall(r"(?m)^# TYPE (\S+) (\w+)$", page))
    names = {name for name, kind in kinds.items() if kind != "histogram"}
    suffixes = ("bucket", "sum", "count")
    return names | {
        f"{n}_{s}" for n, kind in kinds.items() if kind == "histogram" for s in suffixes
    }


@pytest.mark.parametrize("about", queries())
def test_a_query_is_about_metrics_that_a_server_has(about, shown):
    named = set(METRIC.findall(queries()[about]))
    recorded = {rule["record"] for rule in rules_of("recording")}
    used = set(re.findall(r"\branker:\w+:\w+", queries()[about]))
    assert named <= shown and used <= recorded
    assert named or used or about in ("variable datasource", "RankerDown", "NoRanker")


@pytest.mark.parametrize("about", queries())
def test_a_query_is_about_labels_that_a_server_has(about, page):
    labels = set(re.findall(r"[{,](\w+)=", page)) | OF_PROMETHEUS
    groups = [
        word.strip() for group in GROUPED.findall(queries()[about]) for word in group.split(",")
    ]
    assert {*SELECTED.findall(queries()[about]), *filter(None, groups)} <= labels


def test_statuses_are_those_of_the_api():
    alternatives = re.findall(r'status=~"([^"]+)"', "\n".join(queries().values()))
    assert alternatives
    assert {name for names in alternatives for name in names.split("|")} <= set(Code.__members__)


def test_every_alert_is_tested_and_told_in_a_sentence():
    tests = read(MONITORING / "rules/alerts_test.yml")["tests"]
    asked = [one for test in tests for one in test["alert_rule_test"]]
    raised = {one["alertname"] for one in asked if one.get("exp_alerts")}
    quiet = {one["alertname"] for one in asked if not one.get("exp_alerts")}
    alerts = {rule["alert"]: rule for rule in rules_of("alerts")}
    assert raised == quiet == set(alerts)
    for rule in alerts.values():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_provisioned(path):
    dashboard = json.loads(path.read_text())
    panels = dashboard["panels"]
    assert dashboard["uid"] and dashboard["title"] and "id" not in dashboard
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in panels]
    assert all(x + w <= 24 for x, _, w, _ in places)
    squares = [(a, b) for x, y, w, h in places for a in range(x, x + w) for b in range(y, y + h)]
    assert len(squares) == len(set(squares)), "panels lie on each other"
    rows = {panel["title"] for panel in panels if panel["type"] == "row"}
    assert {"Requests", "Latency", "Versions", "Batching", "Request log", "Monitoring"} <= rows


def test_grafana_finds_prometheus_and_the_dashboards():
    (source,) = read(MONITORING / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = read(MONITORING / "grafana/provisioning/dashboards/ranker.yml")["providers"]
    compose = read(DEPLOYMENT / "compose/compose.yaml")["services"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in compose
    mounts = dict(mount.split(":")[:2] for mount in compose["grafana"]["volumes"])
    assert provider["options"]["path"] in mounts.values()
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).name in {path.name for path in DASHBOARDS}
    for datasource in re.findall(r'"uid": "([^"]+)"\}', DASHBOARDS[0].read_text()):
        assert datasource == "${datasource}"


def test_every_kind_of_alarm_is_of_some_alert():
    alerts = "\n".join(rule["expr"] for rule in rules_of("alerts"))
    kinds = re.findall(r'alarms\{kind=~"([^"]+)"', alerts)
    assert sorted(kind for group in kinds for kind in group.split("|")) == sorted(ALARM_KINDS)


def test_prometheus_asks_the_server_where_its_metrics_are():
    (job,) = read(MONITORING / "prometheus.yml")["scrape_configs"]
    assert job["metrics_path"] == METRICS_PATH
    assert job["static_configs"] == [{"targets": ["serve:8501"]}]
    (pods,) = read(MONITORING / "prometheus_kubernetes.yml")["scrape_configs"]
    assert job["job_name"] == pods["job_name"] == "ranker"
    for file in read(MONITORING / "prometheus.yml")["rule_files"]:
        assert (MONITORING / file) in RULES.values()


def test_the_compose_file_opens_ports_on_this_machine_only_and_mounts_what_is_there():
    services = read(DEPLOYMENT / "compose/compose.yaml")["services"]
    assert set(services) == {"serve", "prometheus", "grafana"}
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert name == "serve" or re.search(r":v?\d[\d.]+@sha256:[0-9a-f]{64}$", service["image"])
        mounts = [mount for mount in service["volumes"] if isinstance(mount, str)]
        for source, _, *mode in (mount.split(":") for mount in mounts):
            if source.startswith("."):
                assert (DEPLOYMENT / "compose" / source).exists() and mode == ["ro"]
    build = services["serve"]["build"]
    context = (DEPLOYMENT / "compose" / build["context"]).resolve()
    assert (context / build["dockerfile"]).is_file()
    (models,) = services["serve"]["volumes"]
    assert models["read_only"] and models["target"] == services["serve"]["command"][0]
