"""The demo's preset, made so small that a whole run takes seconds."""

from pathlib import Path
from typing import Any

import yaml

from pipeline.config import RankerConfig, load_config

ROOT = Path(__file__).resolve().parents[2]
IMPRESSIONS = 3000
CLICKED = {"column": "category", "task": "click"}


def tiny_document(**changes: Any) -> dict[str, Any]:
    """The demo with few features, small layers and thresholds that any model meets."""
    document = yaml.safe_load((ROOT / "presets" / "demo.yaml").read_text())
    kept = ("segment", "daily_minutes", "category", "duration_seconds", "tags", "device")
    document["features"] = {name: document["features"][name] for name in kept} | {
        "clicked": {"of": "user", "kind": "sequence", "by": "user_id", **CLICKED, "length": 5}
    }
    document["model"] |= {"num_experts": 4, "expert_units": [16], "tower_units": [8]}
    document["training"] |= {"max_epochs": 2, "batch_size": 128, "learning_rate": 0.02}
    document["gate"] |= {"entropy_weight": 1.0, "serving_budget": None}
    document["evaluation"] = {
        "thresholds": [{"task": "mean", "metric": "auc", "min_gain": -0.5}],
        "bootstrap_replicates": 20,
    }
    return document | changes


def write_tiny(folder: Path, **changes: Any) -> tuple[Path, RankerConfig]:
    """Writes the YAML, and reads it as the command line does."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_document(**changes)))
    return path, load_config(path)
