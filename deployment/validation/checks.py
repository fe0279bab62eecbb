"""What is asked of each file; a check raises what its tool says."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from deployment.validation.schemas import VERSIONS
from deployment.validation.tools import ROOT, Tools

DEPLOYMENT = ROOT / "deployment"
MONITORING = DEPLOYMENT / "monitoring"
DASHBOARDS = MONITORING / "grafana" / "dashboards"
CHARTS = (DEPLOYMENT / "kubernetes" / "serving", DEPLOYMENT / "kubernetes" / "training")
_RANKER = ROOT / "presets" / "demo.yaml"
_VARIABLE = re.compile(r'"\$(?:job|model)"|\$__rate_interval')

Check = tuple[str, str, Callable[[Tools], None]]
"""What it is about, the tool that it needs, and the asking."""


def all_checks() -> Iterator[Check]:
    """Every check of every file."""
    for path in sorted((DEPLOYMENT / "images").glob("*.Dockerfile")):
        yield _name(path), "hadolint", _lint_image(path)
    for chart in CHARTS:
        for values in sorted((chart / "examples").glob("*.yaml")):
            yield f"lint {_name(values)}", "helm", _lint_chart(chart, values)
            yield f"schemas {_name(values)}", "kubeconform", _check_objects(chart, values)
    for path in sorted(MONITORING.glob("prometheus*.yml")):
        if "scrape_configs" in path.read_text():
            yield _name(path), "promtool", _promtool("check", "config", path)
    rules = MONITORING / "rules"
    for name in ("recording", "alerts"):
        yield name, "promtool", _promtool("check", "rules", "--lint=all", rules / f"{name}.yml")
    yield "alerts_test", "promtool", _promtool("test", "rules", rules / "alerts_test.yml")
    for path in sorted(DASHBOARDS.glob("*.json")):
        yield _name(path), "promtool", _check_queries(path)
    yield "compose", "compose", _check_compose


def render(tools: Tools, chart: Path, values: Path, *more: str, version: str = VERSIONS[0]) -> str:
    """The objects that a chart makes of values.

    Args:
        tools: with helm.
        chart: its folder.
        values: the file.
        more: options of helm's.
        version: of Kubernetes.

    Raises:
        GaterankError: if helm, or the chart's schema of values, refuses them.
    """
    options = ["--kube-version", version, *_values(chart, values)]
    return tools.run("helm", "template", "try", chart, "--namespace", "rankers", *options, *more)


def dashboard_queries(text: str) -> list[str]:
    """The PromQL of a dashboard, with its variables filled in.

    Args:
        text: the dashboard, as JSON.
    """
    panels = json.loads(text)["panels"]
    targets = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [
        _VARIABLE.sub(lambda found: "5m" if "rate" in found[0] else '"x"', expression)
        for expression in targets
    ]


def _name(path: Path) -> str:
    return str(path.relative_to(DEPLOYMENT))


def _values(chart: Path, values: Path) -> list[str]:
    ranker = ["--set-file", f"ranker={_RANKER}"] if chart.name == "training" else []
    return ["--values", str(values), *ranker]


def _lint_image(path: Path) -> Callable[[Tools], None]:
    return lambda tools: _drop(tools.run("hadolint", "--failure-threshold", "style", path))


def _lint_chart(chart: Path, values: Path) -> Callable[[Tools], None]:
    def check(tools: Tools) -> None:
        options = ["--strict", "--kube-version", VERSIONS[0], *_values(chart, values)]
        tools.run("helm", "lint", chart, *options)

    return check


def _check_objects(chart: Path, values: Path) -> Callable[[Tools], None]:
    def check(tools: Tools) -> None:
        for version in VERSIONS:
            objects = render(tools, chart, values, version=version)
            place = f"{tools.schemas / version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
            options = ["-strict", "-summary", "-schema-location", place]
            tools.run("kubeconform", *options, "-", given=objects)

    return check


def _promtool(*arguments: str | Path) -> Callable[[Tools], None]:
    return lambda tools: _drop(tools.run("promtool", *arguments))


def _check_queries(path: Path) -> Callable[[Tools], None]:
    """Of a dashboard: promtool reads PromQL in files of rules."""

    def check(tools: Tools) -> None:
        rules = [
            {"record": f"panel:{number}", "expr": expression}
            for number, expression in enumerate(dashboard_queries(path.read_text()))
        ]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "panels.yml"
            file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
            tools.run("promtool", "check", "rules", file)

    return check


def _check_compose(tools: Tools) -> None:
    folder, paths = DEPLOYMENT / "compose", {"MODEL_DIR": str(ROOT), "VERIFY_KEY": str(ROOT)}
    files = [f"--file={folder / name}" for name in ("compose.yaml", "signed.yaml")]
    for some in (files[:1], files):
        tools.run("compose", *some, "config", "--quiet", **paths)


def _drop(_: str) -> None:
    """For checks whose tool says nothing that is needed."""
