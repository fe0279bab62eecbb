"""Made-up documents of a run, as the pipeline writes them: plausible, hostile or incomplete."""

import json
from typing import Any

import numpy as np

from pipeline.config import RankerConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.figures import Figures
from pipeline.report.inputs import ReportInputs
from tests.pipeline.evaluation_inputs import make_config, make_rows

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}'

DEMO_TASKS: dict[str, tuple[str, str]] = {
    "click": ("classification", "engagement"),
    "bad_click": ("classification", "engagement"),
    "long_watch": ("classification", "engagement"),
    "watch_seconds": ("regression", "engagement"),
    "like": ("classification", "satisfaction"),
    "share": ("classification", "satisfaction"),
    "hide": ("classification", "satisfaction"),
    "survey": ("regression", "satisfaction"),
}
DEMO_EXPERTS = {
    "click": (0, 4),
    "bad_click": (0, 5),
    "long_watch": (0, 4),
    "watch_seconds": (0, 4),
    "like": (2, 5),
    "share": (2,),
    "hide": (0, 2),
    "survey": (2, 5),
}


def make_inputs(
    num_experts: int = 8,
    tasks: dict[str, tuple[str, str]] | None = None,
    experts: dict[str, tuple[int, ...]] | None = None,
    refused: bool = False,
    seed: int = 1,
    num_rows: int = 6000,
    **replaced: Any,
) -> ReportInputs:
    """A whole run.

    Args:
        num_experts: n.
        tasks: name -> kind and group.
        experts: name -> the experts it uses.
        refused: make the candidate worse than the baseline.
        seed: of all numbers.
        num_rows: of the evaluation.
        replaced: documents in place of the made-up ones.
    """
    tasks = DEMO_TASKS if tasks is None else tasks
    experts = DEMO_EXPERTS if experts is None else experts
    random = np.random.default_rng(seed)
    config, figures = make_figures(tasks, refused, num_rows, seed)
    dselect = {"kind": "dselect_k", "experts_per_task": 2, "beta": 1.0, "serving_budget": 4}
    documents = {
        "name": "demo",
        "candidate": training(tasks, experts, num_experts, dselect, random),
        "baseline": training(
            tasks,
            {t: tuple(random.choice(num_experts, 2, replace=False).tolist()) for t in tasks},
            num_experts,
            {"kind": "top_k", "experts_per_task": 2},
            random,
        ),
        "export": manifest(tasks, experts, num_experts, random),
        "figures": figures.model_dump(mode="json"),
        "counts": counts(tasks),
        "anomalies": [],
        "lineage": lineage(config),
        "truth": truth(tasks, figures),
        "pushed": None if refused else {"version": "1795336959", "path": "serving/demo/1795336959"},
    }
    return ReportInputs.model_validate(documents | replaced)


def training(
    tasks: dict[str, tuple[str, str]],
    experts: dict[str, tuple[int, ...]],
    num_experts: int,
    gate: dict[str, Any],
    random: np.random.Generator,
) -> dict[str, Any]:
    """`training.json`: a DSelect-k gate glides to its experts, a Top-k gate jumps."""
    steps = list(range(0, 1401, 10))
    weights, converged = {}, {}
    for task in tasks:
        final = np.zeros(num_experts)
        chosen = list(experts[task])
        final[chosen] = random.dirichlet(np.full(len(chosen), 3.0))
        binary = int(random.integers(250, 900))
        weights[task], is_smooth = [], gate["kind"] == "dselect_k"
        start = random.dirichlet(np.full(num_experts, 20.0))
        for step in steps:
            share = min(1.0, (step / binary) ** 1.5)
            row = (1 - share) * start + share * final
            if not is_smooth:
                row = start + share * final + 0.08 * random.normal(size=num_experts)
                row = np.where(row >= np.sort(row)[-2], np.maximum(row, 0.01), 0.0)
                row /= row.sum()
            weights[task].append(row.round(6).tolist())
        converged[task] = binary if is_smooth else None
    epochs = [_epoch(epoch, tasks, random) for epoch in range(1, 11)]
    return {
        "gate": gate,
        "num_experts": num_experts,
        "tasks": {task: {"kind": kind, "group": group} for task, (kind, group) in tasks.items()},
        "steps": steps,
        "gate_weights": weights,
        "converged_step": converged,
        "total_steps": 1400,
        "epochs": epochs,
        "best_epoch": 7,
        "examples_per_second": 31234.5,
        "seconds": 46.2,
        "label_means": dict.fromkeys(tasks, 0.1),
    }


def per_example(
    record: dict[str, Any], gate: dict[str, Any], random: np.random.Generator, dead: int = 2
) -> dict[str, Any]:
    """The same training with a per-example gate that leaves some experts dead."""
    num_experts = record["num_experts"]
    importance = {}
    for task in record["tasks"]:
        shares = random.dirichlet(np.full(num_experts, 3.0))
        shares[random.choice(num_experts, dead, replace=False)] = 0.0
        importance[task] = (shares / shares.sum()).round(6).tolist()
    epochs = [
        one
        | {
            "val_living_experts": num_experts - dead + 1.5 * np.exp(-one["epoch"] / 2),
            "val_importance_cv": 0.6 + 0.8 * np.exp(-one["epoch"] / 3),
        }
        for one in record["epochs"]
    ]
    return record | {
        "gate": gate,
        "gate_weights": {task: [] for task in record["tasks"]},
        "importance": importance,
        "converged_step": dict.fromkeys(record["tasks"]),
        "epochs": epochs,
    }


def make_per_example_inputs(dead: int = 2, num_experts: int = 8) -> ReportInputs:
    """A run whose candidate chooses experts by example; the baseline's gate is static."""
    inputs = make_inputs(num_experts=num_experts, num_rows=800).model_dump(mode="json")
    gate = {"kind": "top_k", "experts_per_task": 2, "per_example": True}
    candidate = per_example(inputs["candidate"], gate, np.random.default_rng(3), dead)
    export = inputs["export"]
    every = list(range(num_experts))
    tasks = {
        name: task | {"experts": every, "weights": None} for name, task in export["tasks"].items()
    }
    costs = {name: {"full": 1e6, "pruned": 1e6} for name in ("parameters", "flops_per_example")}
    export = export | {"tasks": tasks, "union": every, "skipped": [], **costs}
    return ReportInputs.model_validate(inputs | {"candidate": candidate, "export": export})


def _epoch(
    epoch: int, tasks: dict[str, tuple[str, str]], random: np.random.Generator
) -> dict[str, float]:
    loss = 2.1 + 1.4 * np.exp(-epoch / 2.5) + 0.01 * random.normal()
    record = {
        "epoch": epoch,
        "converged": True,
        "loss": loss - 0.02 * epoch,
        "val_loss": loss + 0.004 * (epoch - 7) ** 2 / 7,
    }
    for task, (kind, _) in tasks.items():
        gap = np.exp(-epoch / 3) + 0.02 * random.normal()
        if kind == "classification":
            record[f"val_{task}_auc"] = 0.78 - 0.1 * gap
        else:
            record[f"val_{task}_rmse"] = 0.9 + 0.2 * gap
    return record


def manifest(
    tasks: dict[str, tuple[str, str]],
    experts: dict[str, tuple[int, ...]],
    num_experts: int,
    random: np.random.Generator,
) -> dict[str, Any]:
    """The manifest of the saved model."""
    union = sorted({expert for task in tasks for expert in experts[task]})
    described = {}
    for task, (kind, group) in tasks.items():
        weights = np.zeros(num_experts)
        weights[list(experts[task])] = random.dirichlet(np.full(len(experts[task]), 2.0))
        described[task] = {
            "kind": kind,
            "group": group,
            "weights": weights.round(6).tolist(),
            "experts": list(experts[task]),
        }
    pruned = 60_000 + 41_000 * len(union)
    full = 60_000 + 41_000 * num_experts
    return {
        "tasks": described,
        "num_experts": num_experts,
        "union": union,
        "skipped": [expert for expert in range(num_experts) if expert not in union],
        "parameters": {"full": full, "pruned": pruned},
        "flops_per_example": {"full": 2 * full, "pruned": 2 * pruned},
        "max_difference": 1.2e-7,
        "signatures": ["rank", "serving_default", *tasks],
        "score": " + ".join(tasks),
    }


def counts(tasks: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """`counts.json` of the ingestion."""
    return {
        "impressions": {"read": 80_412, "examples": 80_000, "duplicates": 352, "dead": 60},
        "feedback": {
            "read": 96_870,
            "attributed": 95_102,
            "duplicates": 411,
            "outside_window": 930,
            "unused": 0,
            "other_spans": 0,
            "dead": 427,
        },
        "splits": {"train": 72_118, "eval": 7_882},
        "dead_letters": {
            "feedback_without_impression": 401,
            "bad_timestamp": 44,
            "missing_key": 31,
            "infinite_value": 11,
        },
        "tasks": {
            task: {
                "train": {"examples": 72_118, "positives": 9_021, "mean_label": 0.1251},
                "eval": {"examples": 7_882, "positives": 955, "mean_label": 0.1212},
            }
            for task in tasks
        },
        "missing": {"curiosity": 8_122, "quality": 3_998, "age": 0},
        "time": {"first": "2026-01-01T00:00:03.120Z", "last": "2026-01-14T23:59:41.007Z"},
        "events": {"click": 30_012, "watch_seconds": 29_700, "like": 8_100, "hide": 900},
        "sources": {"impressions/day=2026-01-01/part-0.parquet": 5_743},
        "unreadable": {},
    }


def lineage(config: RankerConfig) -> dict[str, Any]:
    """What the model came from."""
    return {
        "run_id": "2026-11-22T08:41:07.120",
        "created": "2026-11-22T08:41:07+00:00",
        "data": {"logs": "demo/logs", "span": "14 days"},
        "code_version": "0.1.0+3f9c2ab17d10",
        "config_yaml": config.model_dump_json(indent=1, exclude_defaults=True),
        "tfx": {"TFX": "1.21.0", "TensorFlow": "2.21.0"},
        "artifacts": [
            {"id": i, "type": kind, "name": kind.lower(), "uri": f"artifacts/{kind}/{i}"}
            for i, kind in enumerate(("Examples", "Schema", "Model", "ModelEvaluation"))
        ],
    }


def truth(tasks: dict[str, tuple[str, str]], figures: Any) -> dict[str, Any]:
    """What the simulator knows: a little more than the candidate reached."""
    known = {}
    for task, (kind, group) in tasks.items():
        value = figures.tasks[task].primary.candidate.value or 0.7
        measured = (
            {"best_auc": value + 0.008}
            if kind == "classification"
            else {"rmse_of_mean": value * 1.5, "best_rmse": value * 0.98}
        )
        known[task] = {
            "kind": kind, "group": group, "factors": ["A"], "examples": 80_000, **measured
        }  # fmt: skip
    return {"seed": 1, "tasks": known}


def make_figures(
    tasks: dict[str, tuple[str, str]], refused: bool, num_rows: int, seed: int
) -> tuple[RankerConfig, Figures]:
    """A real evaluation of made-up predictions; names that no YAML may hold are put in after it."""
    aliases = {f"task{number:04d}": name for number, name in enumerate(tasks)}
    described: dict[str, Any] = {}
    for alias, name in aliases.items():
        kind, _ = tasks[name]
        how = {"aggregation": "sum"} if kind == "regression" else {}
        label = {"event": "event", **how}
        described[alias] = {"kind": kind, "group": "group", "label": label}
    replicates = 20 if len(tasks) > 20 else 200
    config = make_config(described, slices=["tab", "age"], bootstrap_replicates=replicates)
    rows = make_rows(
        num_rows,
        num_rows // 8,
        {name: {"kind": task.kind} for name, task in config.tasks.items()},
        baseline_noise=0.1 if refused else 0.4,
        candidate_noise=0.45 if refused else 0.2,
        seed=seed,
    )
    text = evaluate(rows, config).model_dump_json()
    for alias, name in aliases.items():
        text = text.replace(alias, json.dumps(name)[1:-1])
    return config, Figures.model_validate_json(text)
