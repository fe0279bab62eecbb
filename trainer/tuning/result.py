"""What becomes of a trial, as a document. Imports no TensorFlow."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from transforms.section import Section
from transforms.storage import write_whole

RESULT_FILE = "result.json"
State = Literal["completed", "discarded", "diverged", "failed"]


class TrialResult(Section):
    """What became of a trial.

    Attributes:
        state: `completed`; `discarded`, as its gate is not binary; `diverged`, as its loss is no
            number; `failed`, as its process ended early. Only the first can be the best.
        objective: what is maximised; None if it cannot be said.
        qualities: task -> what the objective is the weighted mean of.
        figures: of the validation at the best epoch.
        converged: whether all gates were binary there.
        epochs: how many it was trained.
        best_epoch: the one whose weights would be kept.
        seconds: of the training.
        message: why it did not complete.
    """

    state: State
    objective: float | None = None
    qualities: dict[str, float] = Field(default_factory=dict)
    figures: dict[str, float] = Field(default_factory=dict)
    converged: bool = False
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    message: str = ""


class Trial(Section):
    """A trial of a search.

    Attributes:
        number: from 0, in the order in which they began.
        values: path -> value.
        result: None as long as it runs.
    """

    number: int
    values: dict[str, Any]
    result: TrialResult | None = None

    @property
    def objective(self) -> float | None:
        """What it reached, if it counts."""
        is_whole = self.result is not None and self.result.state == "completed"
        return self.result.objective if self.result and is_whole else None


def find_best(trials: list[Trial]) -> Trial | None:
    """The trial with the largest objective of those that count; of equals the first."""
    counting = [trial for trial in trials if trial.objective is not None]
    return max(counting, key=lambda trial: trial.objective or 0.0, default=None)


def read_result(folder: Path) -> TrialResult | None:
    """The result of a trial that ended, or None."""
    try:
        text = (folder / RESULT_FILE).read_text()
    except FileNotFoundError:
        return None
    return TrialResult.model_validate_json(text)


def write_json(path: Path, document: Any) -> None:
    """Writes a document that is there whole or not at all.

    Raises:
        DiskFullError: if there is no room.
    """
    text = document.model_dump_json() if isinstance(document, Section) else json.dumps(document)
    with write_whole(str(path)) as stream:
        stream.write(text.encode())
