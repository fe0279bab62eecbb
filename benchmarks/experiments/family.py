"""The ranker's family: what each option of the model, the tasks and the losses is worth.

    make experiment NAME=family [ARGS="--quick"]

Each option is the preset with a few words changed, trained with the same seeds as the preset
itself, on simulated logs whose answer is known and on KuaiRand (`--data`: its folder).
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
from pydantic import Field

from benchmarks.experiments.family_report import write_report
from benchmarks.experiments.ranker_data import ReadyLogs, make_ready, measure, simulate_once
from benchmarks.harness.experiment import DataSetup, Experiment, Settings, load_sizes, main
from benchmarks.harness.trials import Result, Trial, Trials
from pipeline.config import RankerConfig, load_config
from trainer.config import Role
from trainer.export.save import make_manifest
from trainer.model.ranker import Ranker
from trainer.train import train as train_ranker
from transforms.section import Section, load_section
from transforms.simulator.responses import TASKS

_WORK = Path("build", "experiments", "family")
SIMULATED = "simulated"


class Setup(DataSetup):
    """What every trial depends on; `data` is KuaiRand's folder.

    Attributes:
        impressions: of the simulated logs.
        epochs: at most; by default the preset's.
    """

    impressions: int
    epochs: int | None = None


class Option(Section):
    """What differs from the preset.

    Attributes:
        changes: keys of the YAML with their values; null takes a value away.
        against: the option that it is compared with; by default the preset itself.
        repetitions: seeds, if other than of most options.
        role: `baseline` for the preset's baseline, which has another gate.
    """

    changes: dict[str, Any] = Field(default_factory=dict)
    against: str = "default"
    repetitions: int | None = None
    role: Role = "candidate"


class Case(Section):
    """Logs with their preset.

    Attributes:
        name: `simulated` or `kuairand`.
        preset: the ranker.
        changes: keys of its YAML with other values, for all options.
        options: name -> what differs; `default` is always there.
    """

    name: str
    preset: str
    changes: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Option]

    def all_options(self, repetitions: int) -> dict[str, tuple[Option, range]]:
        """Name -> option and its seeds; the preset itself has a seed for each of any other."""
        most = max(option.repetitions or repetitions for option in self.options.values())
        options = {"default": Option(repetitions=most), **self.options}
        return {
            name: (option, range(1, (option.repetitions or repetitions) + 1))
            for name, option in options.items()
        }


class FamilySettings(Settings):
    """What is compared.

    Attributes:
        cases: the logs.
        repetitions: seeds of each option.
    """

    setup: Setup
    cases: tuple[Case, ...]
    repetitions: int


def make_config(case: Case, option: Option) -> RankerConfig:
    """The preset with the option's changes."""
    document = merge(load_config(Path(case.preset)).model_dump(mode="json"), case.changes)
    return load_section(RankerConfig, merge(document, option.changes), case.preset)


def merge(document: Any, changes: Any) -> Any:
    """`document` with the values of `changes`, section by section.

    Example:
        >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    if not (isinstance(document, dict) and isinstance(changes, dict)):
        return changes
    both = {name: merge(document[name], changes[name]) for name in document.keys() & changes.keys()}
    return {**document, **changes, **both}


def ready_logs(case: Case, option: Option, setup: Setup) -> ReadyLogs:
    """The option's examples; options with the same features and tasks share them."""
    config, logs = make_config(case, option), setup.data
    folder = _WORK / case.name
    if case.name == SIMULATED:
        folder = _WORK / f"{case.name}-{setup.impressions}"
        logs = simulate_once(folder / "logs", setup.impressions)
    data = f"{config.data_config().model_dump_json()} {logs}"
    name = hashlib.sha256(data.encode()).hexdigest()[:12]
    return make_ready(config, logs, folder / name)


def train_once(case: Case, option: Option, seed: int, logs: ReadyLogs, setup: Setup) -> Result:
    """One ranker, as the service's Trainer trains it."""
    tf.keras.backend.clear_session()
    config = make_config(case, option).trainer_config(option.role)
    config = config.with_training(seed=seed, max_epochs=setup.epochs or config.training.max_epochs)
    files = logs.files
    with TemporaryDirectory() as record_dir:
        ranker, record = train_ranker(
            config, logs.transform, files["train"], files["validation"], Path(record_dir)
        )
    manifest = make_manifest(ranker, [])
    return {
        "metrics": measure(ranker, logs, "test"),
        "shown_first": measure(ranker, logs, "test", shown_first=True),
        "position_slopes": position_slopes(ranker) if case.name == SIMULATED else {},
        "union": len(manifest["union"]),
        "num_experts": manifest["num_experts"],
        "flops": manifest["flops_per_example"],
        "parameters": int(sum(np.prod(w.shape) for w in ranker.trainable_weights)),
        "steps": record["total_steps"],
    }


def position_slopes(ranker: Ranker) -> dict[str, dict[str, float]]:
    """What a unit of log(position) takes away from each logit: as learned, and in truth."""
    if ranker.position is None:
        return {}
    table = ranker.position.table.embeddings.numpy()  # [positions + 1, T]
    log_position = np.log(np.arange(1, len(table)))
    slopes = np.polyfit(log_position, table[1:], 1)[0]
    return {
        task: {"learned": -float(slope), "true": TASKS[task].response.position_bias}
        for task, slope in zip(ranker.tasks, slopes, strict=True)
        if task in ("click", "like", "share", "hide")
    }


def run(settings: FamilySettings, trials: Trials) -> dict[str, object]:
    """Each option of each case with each seed."""
    cases = []
    for case in settings.cases:
        rows = []
        for name, (option, seeds) in case.all_options(settings.repetitions).items():
            planned = [
                {"case": case.model_dump(exclude={"options"}), "seed": seed}
                | {"changes": option.changes, "role": option.role}
                for seed in seeds
            ]

            def train(
                batch: Sequence[Trial], case: Case = case, option: Option = option
            ) -> Iterator[Result]:
                for trial in batch:
                    logs = ready_logs(case, option, settings.setup)
                    yield train_once(case, option, trial["seed"], logs, settings.setup)

            results = [trials.run([trial], train)[0] for trial in planned]
            rows.append({"option": name, "against": option.against, "results": results})
        config = make_config(case, Option())
        tasks = {name: task.kind for name, task in config.tasks.items()}
        cases.append({"case": case.name, "tasks": tasks, "options": rows})
    return {"cases": cases}


def count_trials(settings: FamilySettings) -> int:
    """Of all cases."""
    every = [case.all_options(settings.repetitions) for case in settings.cases]
    return sum(len(seeds) for options in every for _, seeds in options.values())


EXPERIMENT = Experiment(
    name="family",
    title="The ranker's family: what each option is worth, on simulated logs and on KuaiRand.",
    sizes=load_sizes("family", FamilySettings),
    count_trials=count_trials,
    run=run,
    report=write_report,
)

if __name__ == "__main__":
    main(EXPERIMENT)
