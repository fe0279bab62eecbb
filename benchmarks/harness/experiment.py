"""The command of an experiment: sizes, progress, files."""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.progress import MofNCompleteColumn, Progress

from benchmarks.harness.publish import how_made
from benchmarks.harness.trials import Trials
from pipeline.strict_yaml import read_yaml
from transforms.errors import GaterankError, InputError
from transforms.section import Section, load_section


class Settings(Section):
    """Base of an experiment's settings.

    Attributes:
        setup: what every trial depends on: data, model, length of training.
    """

    setup: Section


class DataSetup(Section):
    """Base of a set-up whose examples come from files.

    Attributes:
        data: folder of the files; `--data` names another one.
    """

    data: Path


SettingsT = TypeVar("SettingsT", bound=Settings)
_PRESETS = Path(__file__).parents[1] / "experiments" / "presets"


def load_sizes(name: str, settings: type[SettingsT]) -> dict[str, SettingsT]:
    """The sizes of an experiment: `paper`, `table` (what is committed) and `quick`.

    Args:
        name: of the experiment and its preset; what stands under `all` holds for every size
            that does not say otherwise.
        settings: the class of a size.
    """
    file = _PRESETS / f"{name}.yaml"
    document = read_yaml(file.read_text())
    common = document.pop("all", {})
    return {
        size: load_section(settings, _merge(common, values), str(file))
        for size, values in document.items()
    }


@dataclass(frozen=True)
class Experiment(Generic[SettingsT]):
    """What `main` needs of an experiment.

    Attributes:
        name: of the file, the folder in docs/experiments and the preset.
        title: what it shows, one line.
        sizes: name -> settings; `table` is what runs by default.
        count_trials: how many trials a size has.
        run: trains; returns what the report needs beyond the trials.
        report: writes table.md and figure.png into a folder, from results.json's content.
    """

    name: str
    title: str
    sizes: Mapping[str, SettingsT]
    count_trials: Callable[[SettingsT], int]
    run: Callable[[SettingsT, Trials], dict[str, Any]]
    report: Callable[[dict[str, Any], Path], None]


def main(experiment: Experiment[SettingsT], argv: list[str] | None = None) -> None:
    """Runs an experiment and writes results.json, table.md and figure.png.

    A killed run goes on with the trials that it was at. Trials belong to the set-up of a
    size, so a wider search keeps those that it already has. An error that the user can mend
    is one message.
    """
    try:
        _run(experiment, _parse(experiment, argv))
    except GaterankError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def use_data(settings: SettingsT, folder: Path | None) -> SettingsT:
    """The settings with another data folder, if one is given and they have any.

    Args:
        settings: of a size.
        folder: from the command line; None for that of the preset.

    Raises:
        InputError: if the set-up reads files and their folder is not there.
    """
    if not isinstance(settings.setup, DataSetup):
        return settings
    setup = settings.setup.model_copy(update={"data": folder or settings.setup.data})
    if not setup.data.is_dir():
        raise InputError(
            f"--data: must be a folder of the experiment's files. Received: {setup.data}"
        )
    return settings.model_copy(update={"setup": setup})


def _run(experiment: Experiment[SettingsT], arguments: argparse.Namespace) -> None:
    size = "quick" if arguments.quick else arguments.size
    settings = use_data(experiment.sizes[size], arguments.data)
    out = arguments.out or _home(experiment.name, size, arguments.data)
    file = Path("build", "experiments", experiment.name, f"{_digest(settings.setup)}.jsonl")
    if arguments.restart:
        file.unlink(missing_ok=True)
    trials = Trials(file)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as progress:
        trials.show(progress, experiment.name, experiment.count_trials(settings))
        findings = experiment.run(settings, trials)
    results = {
        "title": experiment.title,
        **how_made("experiment", experiment.name, "tensorflow", "numpy"),
        "seconds": round(trials.seconds),
        "settings": settings.model_dump(mode="json"),
        **findings,
        "trials": trials.all(),
    }
    out.mkdir(parents=True, exist_ok=True)
    short = json.loads(json.dumps(results), parse_float=_six_digits)
    (out / "results.json").write_text(json.dumps(short) + "\n")
    experiment.report(results, out)
    print((out / "table.md").read_text())


def _home(name: str, size: str, data: Path | None) -> Path:
    """Where the report goes: a quick look, or other data, must not take the place of the
    committed figures."""
    if size == "table" and data is None:
        return Path("docs", "experiments", name)
    return Path("build", "experiments", name, size, "report" if data is None else data.name)


def _merge(common: Any, values: Any) -> Any:
    """`values`, and of `common` what they do not say; section by section."""
    if not (isinstance(common, dict) and isinstance(values, dict)):
        return values
    shared = {name: _merge(common[name], values[name]) for name in common.keys() & values.keys()}
    return {**common, **values, **shared}


def _six_digits(text: str) -> float:
    return float(f"{float(text):.6g}")


def _digest(setup: Section) -> str:
    return hashlib.sha256(setup.model_dump_json().encode()).hexdigest()[:12]


def _parse(experiment: Experiment[SettingsT], argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=experiment.title)
    parser.add_argument("--quick", action="store_true", help="the same as --size quick")
    parser.add_argument("--size", choices=sorted(experiment.sizes), default="table")
    parser.add_argument("--restart", action="store_true", help="forget the trials of a killed run")
    if any(isinstance(size.setup, DataSetup) for size in experiment.sizes.values()):
        parser.add_argument("--data", type=Path, help="folder of the files; see the preset")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder to write to; by default one in docs/experiments, in build/ for other sizes",
    )
    parser.set_defaults(data=None)
    return parser.parse_args(argv)
