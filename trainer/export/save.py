"""Saves a trained ranker, with the manifest that says what serving skips."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainer.export.dispatch import run_selected
from trainer.export.forward import Forward, FullForward
from trainer.export.pruned_forward import PrunedForward
from trainer.export.signatures import ServedRanker, method_names
from trainer.export.warm_up import write_warm_up
from trainer.model.extraction import run_all
from trainer.model.ranker import Ranker
from transforms.saved_model import EXTRA_FOLDER

MANIFEST_FILE = Path(EXTRA_FOLDER) / "gaterank.json"


def save_ranker(
    ranker: Ranker, transform: tft.TFTransformOutput, folder: Path, pruned: bool
) -> None:
    """Writes a SavedModel of standard TensorFlow ops, and its manifest.

    Args:
        ranker: the trained model.
        transform: the analysed transform graph, which goes into the model.
        folder: of the SavedModel.
        pruned: keep the union's experts only; a per-example gate keeps all, and each is
            computed for those examples only that use it.
    """
    forward = _make_pruned(ranker) if pruned else FullForward(ranker)
    served = ServedRanker(ranker.config, transform, ranker.feature_inputs, forward)
    signatures = served.signatures()
    tf.saved_model.save(served, str(folder), signatures=signatures)
    _name_methods(folder, method_names(signatures))
    write_warm_up(folder, served)
    manifest = make_manifest(ranker, sorted(signatures))
    path = folder / MANIFEST_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(manifest, indent=1, allow_nan=False))


def _make_pruned(ranker: Ranker) -> Forward:
    if not ranker.gate.per_example:
        return PrunedForward(ranker)
    return FullForward(ranker, run_selected if ranker.gate.sparse else run_all)


def _name_methods(folder: Path, methods: Mapping[str, str]) -> None:
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(folder))
    for signature, method in methods.items():
        updater.replace_method_name(signature, method)
    updater.save()


def make_manifest(ranker: Ranker, signatures: list[str]) -> dict[str, Any]:
    """What the model is made of: tasks, experts in use, costs.

    `flops_per_example` counts the multiply-adds of cross layers, experts, mixing and
    towers, twice each; `parameters` the numbers behind them, without embeddings.

    Args:
        ranker: the trained model.
        signatures: the names of the saved signatures.
    """
    config = ranker.config
    selected = ranker.gate.selected().numpy()  # [T, n]
    used = ranker.used_experts()
    union = used[-1]
    static = not ranker.gate.per_example
    weights = ranker.gate.static_weights().numpy() if static else None
    return {
        "tasks": {
            name: {
                "kind": task.kind,
                "group": task.group,
                "experts": np.flatnonzero(selected[i]).tolist(),
                "weights": weights[i].round(6).tolist() if weights is not None else None,
            }
            for i, (name, task) in enumerate(config.tasks.items())
        },
        "num_experts": config.num_experts,
        "union": union.tolist(),
        "skipped": np.flatnonzero(~selected.any(axis=0)).tolist(),
        "lower_unions": [level.tolist() for level in used[:-1]],
        "expert_owners": ranker.expert_owners(),
        "parameters": _costs(ranker, used, per_weight=1),
        "flops_per_example": _costs(ranker, used, per_weight=2),
        "signatures": signatures,
        "score": config.score,
        "trainer": config.model_dump(mode="json"),
    }


def _costs(ranker: Ranker, used: Sequence[np.ndarray], per_weight: int) -> dict[str, int]:
    layers = [*ranker.crosses, ranker.chains, *ranker.towers.layers, ranker.heads, ranker.wide]
    shared = sum(_size(layer) for layer in layers if layer is not None)
    num_experts = ranker.config.num_experts
    levels = [sum(_size(layer) for layer in stack.layers) for stack in ranker.expert_levels]
    pruned = [
        size * len(experts) // num_experts for size, experts in zip(levels, used, strict=True)
    ]
    return {
        "full": per_weight * (shared + sum(levels)),
        "pruned": per_weight * (shared + sum(pruned)),
    }


def _size(layer: tf.keras.layers.Layer) -> int:
    return int(layer.count_params())
