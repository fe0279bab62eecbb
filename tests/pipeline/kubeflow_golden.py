"""The golden specs, without what differs by machine or by version of the code.

`PYTHONPATH=. python tests/pipeline/kubeflow_golden.py` writes them again.
"""

import json
import re
from pathlib import Path
from typing import Any

from pipeline.config import RankerConfig
from pipeline.kubeflow.options import Target
from pipeline.kubeflow.spec import kubeflow_documents, write_documents
from tests.pipeline.tiny import tiny_document

GOLDEN = Path(__file__).parent / "golden"
_CODE = re.compile(r"\d+\.\d+\.\d+\+[0-9a-f]{12}")
SECTION = {
    "image": "registry.lan/gaterank-train:1",
    "pipeline_root": "gs://bucket/runs",
    "workspace": "/mnt/gaterank",
    "claim": "gaterank",
}
VERTEX = {"workspace": "/gcs/bucket/workspace", "claim": None}
GPU = {
    "cpu": "8",
    "memory": "30Gi",
    "accelerator": {"type": "nvidia.com/gpu", "count": 1},
    "image": "registry.lan/gaterank-train-gpu:1",
    "node_selector": {"cloud.google.com/gke-accelerator": "nvidia-l4"},
}
DAILY = {
    "logs": {"spans": {"window": 2}},
    "training": {"base": "latest_blessed"},
    "schedule": {"start": "2026-01-06"},
    "kubeflow": SECTION,
}


def make_config(**changes: Any) -> RankerConfig:
    """The tiny preset, day after day; a section's changes are merged with it."""
    document = tiny_document()
    for changed in (DAILY, changes):
        for name, value in changed.items():
            merges = isinstance(value, dict) and isinstance(document.get(name), dict)
            document[name] = {**document[name], **value} if merges else value
    return RankerConfig.model_validate(document)


def golden_text(target: Target) -> str:
    """The golden file of a target."""
    small = {"cpu": "500m", "memory": "2Gi"}
    if target == "vertex":
        gpu = {**GPU, "accelerator": {"type": "NVIDIA_L4"}, "node_selector": {}}
        config = make_config(
            kubeflow={**VERTEX, "resources": {"default": small, "CandidateTrainer": gpu}},
            beam={
                "runner": "dataflow",
                "options": {"project": "rankers", "region": "europe-west4"},
            },
        )
    else:
        config = make_config(
            kubeflow={
                "resources": {"default": small, "CandidateTrainer": GPU},
                "uncached": ["Pusher"],
            }
        )
    return write_documents(_normalise(kubeflow_documents(config, target)))


def _normalise(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _normalise(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_normalise(one) for one in value]
    if isinstance(value, str):
        is_long_json = len(value) > 200 and value.startswith("{")
        return _shorten(value) if is_long_json else _CODE.sub("CODE", value)
    return value


def _shorten(text: str) -> str:
    """Of a long JSON its keys: what is in it, the YAML's own tests say."""
    return "JSON of " + ", ".join(sorted(json.loads(text)))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for one in ("kubeflow", "vertex"):
        (GOLDEN / f"{one}.yaml").write_text(golden_text(one))
