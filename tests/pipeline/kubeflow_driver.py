"""Runs a compiled spec on this machine: what KFP's driver, launcher and cache do, in small.

Each task gets a container's folders of its own: what it reads is copied there from the bucket,
what it wrote is copied to the bucket after it, as KFP's launcher does (launcher_v2.go).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.kubeflow import entrypoint
from pipeline.kubeflow.paths import to_path
from tests.pipeline.tiny import ROOT


class Cluster:
    """A bucket, a cache and a volume.

    Args:
        folder: of all three.
        document: the spec.
        in_process: whether components run in this process, which is faster.
    """

    def __init__(self, folder: Path, document: dict[str, Any], in_process: bool = False) -> None:
        self.folder, self.in_process = folder, in_process
        self.document = document
        self._cache: dict[str, dict[str, Any]] = {}

    def run(self, name: str, **parameters: str) -> "Execution":
        """Runs all tasks in the order of what they wait for."""
        execution = Execution(self, name, parameters)
        tasks = dict(self.document["root"]["dag"]["tasks"])
        while tasks:
            ready = [t for t in tasks if not set(tasks[t].get("dependentTasks", ())) & set(tasks)]
            execution.run_task(ready[0], tasks.pop(ready[0]))
        return execution

    def lookup(self, key: str) -> dict[str, Any] | None:
        return self._cache.get(key)

    def keep(self, key: str, made: dict[str, Any]) -> None:
        self._cache[key] = made


class Execution:
    """One run of the pipeline."""

    def __init__(self, cluster: Cluster, name: str, parameters: dict[str, str]) -> None:
        self.cluster, self.name = cluster, name
        inputs = cluster.document["root"]["inputDefinitions"]["parameters"]
        defaults = {
            key: one["defaultValue"] for key, one in inputs.items() if "defaultValue" in one
        }
        self._parameters = defaults | parameters
        self.made: dict[str, dict[str, Any]] = {}
        self.executed: list[str] = []

    def folder(self, task: str, key: str) -> Path:
        """Where an output is in the bucket."""
        return self._in_bucket(self.made[task]["artifacts"][key]["uri"])

    def run_task(self, task: str, spec: dict[str, Any]) -> None:
        component = self.cluster.document["components"][spec["componentRef"]["name"]]
        inputs = spec.get("inputs", {})
        values = {key: self._value(one) for key, one in inputs.get("parameters", {}).items()}
        artifacts = {key: self._artifact(one) for key, one in inputs.get("artifacts", {}).items()}
        key = json.dumps([component, values, artifacts], sort_keys=True)
        is_cached = spec["cachingOptions"].get("enableCache", False)
        made = self.cluster.lookup(key) if is_cached else None
        if made is None:
            self.executed.append(task)
            made = self._execute(task, component, values, artifacts)
            self.cluster.keep(key, made)
        self.made[task] = made

    def _value(self, source: dict[str, Any]) -> Any:
        if "componentInputParameter" in source:
            return self._parameters[source["componentInputParameter"]]
        if "taskOutputParameter" in source:
            made = source["taskOutputParameter"]
            return self.made[made["producerTask"]]["parameters"][made["outputParameterKey"]]
        return source["runtimeValue"]["constant"]

    def _artifact(self, source: dict[str, Any]) -> dict[str, Any]:
        made = source["taskOutputArtifact"]
        return self.made[made["producerTask"]]["artifacts"][made["outputArtifactKey"]]

    def _execute(
        self, task: str, component: dict[str, Any], values: Any, artifacts: Any
    ) -> dict[str, Any]:
        pod = self.cluster.folder / "pods" / self.name / task
        definitions = component.get("outputDefinitions", {})
        root = f"{self.cluster.document['defaultPipelineRoot']}/{self.name}/{task}"
        outputs = {
            key: {
                "name": f"{self.name}/{task}/{key}",
                "uri": f"{root}/{key}",
                "type": one["artifactType"],
                "metadata": {},
            }
            for key, one in definitions.get("artifacts", {}).items()
        }
        invocation = {
            "inputs": {"parameterValues": values, "artifacts": _lists(artifacts)},
            "outputs": {
                "artifacts": _lists(outputs),
                "parameters": {
                    key: {"outputFile": str(pod / "values" / key)}
                    for key in definitions.get("parameters", {})
                },
                "outputFile": str(pod / "kfp_outputs" / "output_metadata.json"),
            },
        }
        for one in artifacts.values():
            _copy(self._in_bucket(one["uri"]), Path(to_path(one["uri"], str(pod))))
        self._run_container(component["executorLabel"], json.dumps(invocation), pod)
        written = json.loads(Path(invocation["outputs"]["outputFile"]).read_text())
        for key, one in outputs.items():
            (found,) = written["artifacts"][key]["artifacts"]
            assert found["uri"] == one["uri"], "a path of the container must not get out of it"
            one["metadata"] |= found.get("metadata", {})
            _copy(Path(to_path(one["uri"], str(pod))), self._in_bucket(one["uri"]))
        shutil.rmtree(pod)
        return {"artifacts": outputs, "parameters": written.get("parameterValues", {})}

    def _run_container(self, label: str, invocation: str, pod: Path) -> None:
        container = self.cluster.document["deploymentSpec"]["executors"][label]["container"]
        command = [*container["command"], *container["args"], f"--mounts={pod}"]
        command = [invocation if word == "{{$}}" else word for word in command]
        assert command[:3] == ["/opt/gaterank/bin/python", "-m", entrypoint.__name__]
        if self.cluster.in_process:
            entrypoint.main(command[3:])
            return
        pod.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *command[1:]], cwd=pod, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-5000:]

    def _in_bucket(self, uri: str) -> Path:
        return self.cluster.folder / "bucket" / uri.partition("://")[2]


def _lists(artifacts: dict[str, Any]) -> dict[str, Any]:
    return {key: {"artifacts": [one]} for key, one in artifacts.items()}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copyfile(source, target)
    elif source.is_dir():
        # A bucket keeps files only: an empty folder does not arrive.
        for path in sorted(source.rglob("*")):
            if path.is_file():
                place = target / path.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
