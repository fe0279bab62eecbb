"""A search and one of its trials as documents. Imports no TensorFlow."""

import json
from pathlib import Path
from typing import Any

from trainer.config import Role, TrainerConfig
from trainer.strategies.options import OneDeviceOptions
from trainer.tuning.objective import LabelFacts
from trainer.tuning.options import Tuning
from transforms.errors import InputError
from transforms.section import Section

STUDY_FILE = "study.json"
# What may change from one run of a search to the next: how many trials, and how many at a time.
_FREE = {"trials", "workers", "in_pipeline", "space", "candidate", "baseline"}


class Study(Section):
    """One search: all trials of the candidate, or all of the baseline.

    Attributes:
        role: whose.
        config: its configuration.
        tuning: the `tuning` section.
        transform_dir: the analysed transform graph.
        train_files: patterns of transformed examples.
        eval_files: the same, for early stopping and for the objective.
        folder: gets a folder a trial, and what keras-tuner knows.
        data: what tells that the examples changed.
        code_version: what tells that the code did.
    """

    role: Role
    config: TrainerConfig
    tuning: Tuning
    transform_dir: str
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    folder: str
    data: str = ""
    code_version: str = ""

    def trial_config(self) -> TrainerConfig:
        """The configuration with the budget of a trial, on one device."""
        changes: dict[str, Any] = {"strategy": OneDeviceOptions()}
        if self.tuning.max_epochs is not None:
            changes["max_epochs"] = self.tuning.max_epochs
        return self.config.with_training(**changes)

    def identity(self) -> dict[str, Any]:
        """What a trial's result depends on, beside its values."""
        space = {path: p.model_dump() for path, p in self.tuning.space_of(self.role).items()}
        identity = {
            **self.trial_config().model_dump(mode="json"),
            "tuning": self.tuning.model_dump(exclude=_FREE),
            "tuning.space": space,
            "examples": self.data,
            "code": self.code_version,
        }
        document: dict[str, Any] = json.loads(json.dumps(identity))
        return document

    def check_same(self, earlier: Path) -> None:
        """Refuses to go on with trials of other things.

        Args:
            earlier: the folder's identity, written when its first trial began.

        Raises:
            InputError: naming what differs.
        """
        try:
            known = json.loads(earlier.read_text())
        except FileNotFoundError:
            return
        mine = self.identity()
        changed = sorted(k for k in {*known, *mine} if known.get(k) != mine.get(k))
        if changed:
            raise InputError(
                f"{earlier.parent}: holds trials that go on only with the same configuration, "
                f"examples and code; take another folder. Changed: {', '.join(changed)}"
            )


class TrialJob(Section):
    """One trial: all that its process has to know.

    Attributes:
        config: with the trial's values.
        transform_dir: the analysed transform graph.
        train_files: patterns of transformed examples.
        eval_files: the same, for early stopping and for the objective.
        labels: task -> what is known of its labels in the eval split.
        weights: task -> weight in the objective.
        must_converge: whether a gate that could be binary has to be.
        threads: of TensorFlow.
        folder: gets the result and TensorBoard's log.
    """

    config: TrainerConfig
    transform_dir: str
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    labels: dict[str, LabelFacts]
    weights: dict[str, float]
    must_converge: bool
    threads: int
    folder: str
