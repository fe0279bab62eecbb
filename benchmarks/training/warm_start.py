"""A week of days that change: a warm start against training from scratch, quality and time.

    make bench NAME=training.warm_start [ARGS="--quick"]

Each day trains on its examples, and predicts the day after: users and items come and go, a
taste fades. A killed run goes on from the last training that ended.
"""

import argparse
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import track

from benchmarks.experiments.ranker_data import measure
from benchmarks.harness.measures import show
from benchmarks.harness.publish import how_made, publish
from benchmarks.harness.trials import Result, Trial, Trials
from benchmarks.training.warm_start_data import World, ingest_world, make_config, ready_day
from pipeline.config import RankerConfig
from trainer.train import train
from trainer.warm_start.bundle import BASE_FILE
from trainer.warm_start.start import save_base

_WINDOW = 3
SCRATCH = "from scratch, the day"
# Name -> how many days it reads, whether it has a base, other options.
WAYS: dict[str, tuple[int, bool, dict[str, str]]] = {
    SCRATCH: (1, False, {}),
    f"from scratch, {_WINDOW} days": (_WINDOW, False, {}),
    "warm start": (1, True, {}),
    "warm start, gates reopened": (1, True, {"base_gates": "reopen"}),
    "warm start, mean rows": (1, True, {"new_rows": "mean"}),
    f"warm start, {_WINDOW} days": (_WINDOW, True, {}),
}


def train_day(trial: Trial, config: RankerConfig, folder: Path, days: list[int]) -> Result:
    """One training as the service's Trainer does it, and how it predicts the next day."""
    window, is_warm, options = WAYS[trial["way"]]
    place = days.index(trial["day"])
    logs = ready_day(config, folder, days[max(0, place - window + 1) : place + 1])
    role = config.trainer_config("candidate").with_training(**options, seed=trial["seed"])
    # The first day is the same for all.
    before, now = (_base_folder(folder, trial, days, back) for back in (1, 0))
    base = before / BASE_FILE if is_warm else None
    tf.keras.backend.clear_session()
    began = time.perf_counter()
    with TemporaryDirectory() as record_dir:
        files = (logs.files["train"], logs.files["validation"], Path(record_dir))
        ranker, record = train(role, logs.transform, *files, base=base)
    seconds = time.perf_counter() - began
    if is_warm or not place:
        now.mkdir(parents=True, exist_ok=True)
        save_base(ranker, logs.transform, now)
    metrics = measure(ranker, logs, "test")
    kinds = {name: task.kind for name, task in config.tasks.items()}
    aucs = [value for name, value in metrics.items() if kinds[name] == "classification"]
    errors = [value for name, value in metrics.items() if kinds[name] == "regression"]
    return {
        "auc": float(np.mean(aucs)),
        "rmse": float(np.mean(errors)),
        "metrics": metrics,
        "seconds": seconds,
        "training_seconds": record["seconds"],
        "steps": record["total_steps"],
        "best_step": record["total_steps"] * record["best_epoch"] // len(record["epochs"]),
        "binary": bool(record["epochs"][record["best_epoch"] - 1]["converged"]),
    }


def _base_folder(folder: Path, trial: Trial, days: list[int], back: int) -> Path:
    day = trial["day"] - back
    way = SCRATCH if day == days[0] else trial["way"]
    return folder / "bases" / way.replace(" ", "-") / str(trial["seed"]) / str(day)


def summarize(results: Mapping[str, list[list[Result]]]) -> list[dict[str, Any]]:
    """A row a way: means over the days after the first, by seed; gains over scratch are paired."""

    def per_seed(way: str, figure: str) -> list[float]:
        return [float(np.mean([r[figure] for r in seed[1:]])) for seed in results[way]]

    figures = ("auc", "rmse", "seconds", "training_seconds", "steps", "best_step")
    rows = []
    for way in results:
        row: dict[str, Any] = {"way": way}
        row |= {figure: per_seed(way, figure) for figure in figures}
        row["gain"] = np.subtract(row["auc"], per_seed(SCRATCH, "auc")).tolist()
        row["by_day"] = np.mean([[r["auc"] for r in seed] for seed in results[way]], 0).tolist()
        rows.append(row)
    return rows


def format_table(results: Mapping[str, Any]) -> str:
    """The table and how it was made."""
    world = results["world"]
    lines = [
        "# A warm start against training from scratch",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. {world['days']} days of "
        f"{world['impressions']:,} simulated impressions; each day {100 * world['churn']:.0f}% of "
        f"users and items are new, and {100 * world['drift']:.0f}% of a taste fades. The demo's "
        f"ranker in small, with user and item ids. {results['note']}".rstrip(),
        "",
        f"Mean and standard error over {results['seeds']} seeds, of the days after the first, each "
        "predicting the next day: mean AUC of the six classification tasks, mean RMSE of the two "
        "regressions. *Gain* is in AUC over training from scratch on the same day, of the same "
        "seed. *Until best*: steps up to the epoch that was kept. *Seconds* of a training, with "
        "what it takes to start.",
        "",
        "| training | AUC | gain | RMSE | steps | until best | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["ways"]:
        cells = [
            show(row["auc"], 4),
            show(row["gain"], 4),
            show(row["rmse"], 4),
            f"{np.mean(row['steps']):,.0f}",
            f"{np.mean(row['best_step']):,.0f}",
            f"{np.mean(row['seconds']):.1f}",
        ]
        lines.append(f"| {row['way']} | {' | '.join(cells)} |")
    count = len(results["ways"][0]["by_day"])
    lines += ["", "AUC on the day after, day by day:", ""]
    lines += [f"| training | {' | '.join(f'day {i + 1}' for i in range(count))} |"]
    lines += ["|---" * (count + 1) + "|"]
    for row in results["ways"]:
        lines.append(f"| {row['way']} | {' | '.join(f'{auc:.4f}' for auc in row['by_day'])} |")
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=training.warm_start", description="Warm start against from scratch."
    )
    parser.add_argument("--impressions", type=int, default=15_000, help="a day")
    parser.add_argument("--days", type=int, default=7, help="the last is only predicted")
    parser.add_argument("--seeds", type=int, default=2, help="of the trainings")
    parser.add_argument("--epochs", type=int, default=10, help="at most, of each training")
    parser.add_argument("--quick", action="store_true", help="three small days and one seed")
    parser.add_argument("--restart", action="store_true", help="forget what an earlier run did")
    parser.add_argument("--note", default="", help="a sentence for the table, such as of the load")
    parser.add_argument("--work", type=Path, default=Path("build/bench/training"))
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    options = parser.parse_args()
    if options.quick:
        options.impressions, options.days, options.seeds, options.epochs = 3000, 3, 1, 3
    return options


def main() -> None:
    """Measures, prints the table and writes training_warm_start.json and .md."""
    options = parse()
    world = World(options.impressions, options.days, drift=0.08, churn=0.1)
    folder = options.work / f"warm-{world.impressions}-{world.days}-{options.epochs}"
    if options.restart:
        shutil.rmtree(folder, ignore_errors=True)
    config = make_config(world, options.epochs)
    days = ingest_world(config, world, folder)
    trials, results = Trials(folder / "trials.jsonl"), {}
    for way in track(WAYS, "train"):
        results[way] = [
            [
                trials.run(
                    [{"way": way if day > days[0] else SCRATCH, "seed": seed, "day": day}],
                    lambda batch: (train_day(trial, config, folder, days) for trial in batch),
                )[0]
                for day in days[:-1]
            ]
            for seed in range(options.seeds)
        ]
    found = {
        **how_made("bench", "training.warm_start", "tensorflow", "tf-keras"),
        "note": options.note,
        "world": world._asdict(),
        "seeds": options.seeds,
        "ways": summarize(results),
    }
    publish(options.out, "training_warm_start", found, format_table(found))


if __name__ == "__main__":
    main()
