"""Whether reading keeps up with training: examples a second from files and from memory.

    make bench NAME=training.input [ARGS="--examples 50000"]

The demo's ranker trains on simulated logs: on one batch that is in memory, on batches that
are parsed again, as what does not fit into memory is, and on batches that are kept.
"""

import argparse
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from rich.progress import track

from benchmarks.harness.demo_ranker import DEMO
from benchmarks.harness.publish import how_made, publish
from pipeline.config import RankerConfig, load_config
from trainer.dataset import Batches
from trainer.train import make_ready
from transforms.examples import SPLITS
from transforms.ingest.pipeline import run_ingest
from transforms.ingest.writing.tfrecord import find_shards
from transforms.simulator.simulate import simulate
from transforms.transform_examples import transform_examples

MEMORY, PARSED, KEPT = "one batch, in memory", "parsed each epoch", "kept parsed"
_SEED = 1

Dataset = Callable[[], tf.data.Dataset]


def make_files(config: RankerConfig, examples: int, work: Path) -> Path:
    """Simulates, ingests and transforms, unless that is there: the transform's folder."""
    folder = work / f"input-{examples}"
    if not folder.is_dir():
        partial = work / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        data = config.data_config()
        simulate(partial / "logs", examples, _SEED)
        run_ingest(data, str(partial / "logs"), str(partial / "examples"))
        raw = {split: find_shards(partial / "examples" / f"Split-{split}") for split in SPLITS}
        transform_examples(data, raw, partial / "transform")
        partial.rename(folder)
    return folder / "transform"


def make_datasets(config: RankerConfig, folder: Path, batch_size: int) -> dict[str, Dataset]:
    """Name -> gives the batches of an epoch."""
    transform = tft.TFTransformOutput(str(folder))
    files = [str(folder / "train-*")]
    kept, parsed = (
        Batches(files, transform, batch_size, _SEED, cache_mb) for cache_mb in (4096, 0)
    )
    first = next(iter(kept.epoch()))
    steps = kept.size // batch_size
    return {
        MEMORY: lambda: tf.data.Dataset.from_tensors(first).repeat(steps),
        PARSED: lambda: parsed.epoch().take(steps).prefetch(tf.data.AUTOTUNE),
        KEPT: lambda: kept.epoch().take(steps).prefetch(tf.data.AUTOTUNE),
    }


def read(dataset: tf.data.Dataset) -> int:
    """Reads all batches and does nothing with them: how many there were."""
    return int(dataset.reduce(0, lambda count, _: count + 1))


def time_all(
    ranker: tf.keras.Model, datasets: Mapping[str, Dataset], batch_size: int, rounds: int
) -> list[dict[str, Any]]:
    """Examples a second of each, trained on and only read, round after round."""
    trained: dict[str, list[float]] = {name: [] for name in datasets}
    alone: dict[str, list[float]] = {name: [] for name in datasets}
    for number in track(range(rounds + 1), "time"):
        for name, make in datasets.items():
            dataset = make()
            started = time.perf_counter()
            steps = read(dataset)
            middle = time.perf_counter()
            ranker.fit(dataset, verbose=0)
            if number:  # the first round traces, and fills memory
                alone[name].append(steps * batch_size / (middle - started))
                trained[name].append(steps * batch_size / (time.perf_counter() - middle))
    base = trained[MEMORY]
    return [
        {
            "name": name,
            "examples_per_second": {"min": min(r), "median": median(r), "max": max(r)},
            "of_memory": median(a / b for a, b in zip(r, base, strict=True)),
            "read_alone": median(alone[name]),
        }
        for name, r in trained.items()
    ]


def format_table(results: Mapping[str, Any]) -> str:
    """The table and how it was made."""
    lines = [
        "# Whether reading keeps up with training",
        "",
        f"`{results['command']}`, {results['date']}, {results['machine']}. The demo's ranker, "
        f"batches of {results['batch_size']:,}, {results['rounds']} rounds. "
        f"{results['note']}".rstrip(),
        "",
        "*Read alone* is without training: what a faster device could be given.",
        "",
        "| batches | examples/s: min | median | max | of in memory | read alone |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["inputs"]:
        rates = row["examples_per_second"]
        shown = " | ".join(f"{rates[which]:,.0f}" for which in ("min", "median", "max"))
        lines.append(
            f"| {row['name']} | {shown} | {row['of_memory']:.3f} | {row['read_alone']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench NAME=training.input", description="Reading against training."
    )
    parser.add_argument("--examples", type=int, default=100_000, help="simulated impressions")
    parser.add_argument("--batch-size", type=int, default=2048, help="examples a step")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each")
    parser.add_argument("--note", default="", help="a sentence for the table, such as of the load")
    parser.add_argument("--work", type=Path, default=Path("build/bench/training"))
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    return parser.parse_args()


def main() -> None:
    """Measures, prints the table and writes training_input.json and training_input.md."""
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    config = load_config(DEMO)
    folder = make_files(config, options.examples, options.work)
    datasets = make_datasets(config, folder, options.batch_size)
    trainer = config.trainer_config("candidate")
    transform = tft.TFTransformOutput(str(folder))
    batches = Batches([str(folder / "train-*")], transform, options.batch_size, _SEED)
    ranker = make_ready(trainer, transform, batches, batches.mean_labels(trainer.tasks))
    results = {
        **how_made("bench", "training.input", "tensorflow", "tf-keras"),
        "note": options.note,
        "rounds": options.rounds,
        "batch_size": options.batch_size,
        "inputs": time_all(ranker, datasets, options.batch_size, options.rounds),
    }
    publish(options.out, "training_input", results, format_table(results))


if __name__ == "__main__":
    main()
