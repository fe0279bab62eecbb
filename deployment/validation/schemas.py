"""JSON schemas as kubeconform reads them: Kubernetes' own, and that of the training operator."""

import ast
import json
import re
from pathlib import Path
from typing import Any

VERSIONS = ("1.31.0", "1.37.0")
"""Of Kubernetes: the oldest that the charts are for, and the newest that there are schemas of."""

_SCHEMAS = "kubernetes_validate/kubernetes-json-schema"
_DEFINITIONS = "_definitions.json"
_CORE = f"{_DEFINITIONS}#/$defs/io.k8s.api.core.v1."
_META = f"{_DEFINITIONS}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PLAIN = {"str": "string", "int": "integer", "bool": "boolean"}
_MAP = re.compile(r"dict\(str, (\w+)\)")
_REQUIRED = re.compile(r"Invalid value for `(\w+)`, must not be `None`")


def write_schemas(packages: Path, folder: Path) -> None:
    """Writes a folder of schemas for each of `VERSIONS`, that allow no unknown field.

    Args:
        packages: what kubernetes-validate and kubeflow-training were unpacked to.
        folder: to fill.
    """
    for version in VERSIONS:
        target = folder / version
        target.mkdir()
        source = (
            packages / "kubernetes_validate/kubernetes-json-schema" / f"v{version}-local-strict"
        )
        for path in source.glob("*.json"):
            # They name each other by addresses, which kubeconform would ask for.
            schema = json.loads(path.read_text().replace(f"/api/{_DEFINITIONS}", _DEFINITIONS))
            schema.pop("$id", None)
            (target / path.name).write_text(json.dumps(schema))
        job = make_job_schema(packages / "kubeflow/training/models")
        (target / "tfjob-kubeflow-v1.json").write_text(json.dumps(job, indent=1))


def make_job_schema(models: Path) -> dict[str, Any]:
    """The schema of a TFJob, from the classes that the operator's own SDK has for it.

    Args:
        models: the SDK's folder of them; they are read, not imported.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "kubeflow.org/v1"},
            "kind": {"const": "TFJob"},
            "metadata": {"$ref": _META},
            "spec": _schema_of("KubeflowOrgV1TFJobSpec", models),
        },
    }


def _schema_of(kind: str, models: Path) -> dict[str, Any]:
    """Of a type as the SDK writes it: str, dict(str, Quantity), V1PodTemplateSpec."""
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if match := _MAP.fullmatch(kind):
        return {"type": "object", "additionalProperties": _schema_of(match[1], models)}
    if kind == "Quantity":
        return {"type": ["string", "number"]}
    if kind.startswith("V1"):
        return {"$ref": _CORE + kind.removeprefix("V1")}
    text = _file_of(kind, models).read_text()
    types, names = (_read_dict(text, name) for name in ("openapi_types", "attribute_map"))
    return {
        "type": "object",
        "additionalProperties": False,
        "required": sorted({names[field] for field in _REQUIRED.findall(text)}),
        "properties": {names[field]: _schema_of(types[field], models) for field in types},
    }


def _file_of(kind: str, models: Path) -> Path:
    """`KubeflowOrgV1TFJobSpec` is in `kubeflow_org_v1_tf_job_spec.py`."""
    wanted = f"{kind.lower()}py"
    return next(path for path in models.glob("*.py") if re.sub(r"[_.]", "", path.name) == wanted)


def _read_dict(text: str, name: str) -> dict[str, str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            value: dict[str, str] = ast.literal_eval(node.value)
            return value
    raise ValueError(f"the model must have `{name}`")
