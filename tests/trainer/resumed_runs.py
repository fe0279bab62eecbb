"""A small training with all that has to survive: dropout, a falling beta, a union, early stopping.

Imported by tests, and by scripts that tests run as processes of their own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_transform as tft
from conftest import tiny_config

from trainer.checkpoints.checkpointer import Checkpointer
from trainer.checkpoints.folder import CheckpointFolder
from trainer.checkpoints.options import CheckpointOptions
from trainer.checkpoints.progress import Figures, Position
from trainer.config import TrainerConfig
from trainer.model.ranker import Ranker
from trainer.train import train
from transforms.examples import SPLITS

STEPS, EPOCHS = 10, 4
# What a training's record has of the clock and of interruptions.
OF_THE_RUN = ("seconds", "examples_per_second", "resumed", "union_training")


class Killed(BaseException):
    """In place of SIGKILL: nothing in the trainer handles it."""


def make_config(every_steps: int = 3, **training: Any) -> TrainerConfig:
    """Four epochs of ten steps, in which training narrows to two of four experts."""
    config = tiny_config(
        gate={
            "kind": "dselect_k",
            "experts_per_task": 2,
            "initial_scale": 0.3,
            "beta_steps": 12,
            "serving_budget": 2,
            "budget_weight": 1.0,
            "entropy_growth": 0.01,
        },
        model={
            "num_experts": 4,
            "expert_units": [8],
            "tower_units": [4],
            "embedding_dim": 3,
            "cross_layers": 0,
            "input_dropout": 0.1,
            "expert_dropout": 0.1,
            "position": {"max_position": 10},
        },
        training={
            "batch_size": 250,
            "max_epochs": EPOCHS,
            "learning_rate": 0.02,
            "final_learning_rate": 0.5,
            "checkpoint": CheckpointOptions(every_steps=every_steps),
        }
        | training,
    ).trainer_config("candidate")
    kept = ("age", "category", "tags")
    tasks = {name: config.tasks[name] for name in ("click", "watch")}
    features = {name: config.features[name] for name in kept}
    return config.model_copy(update={"features": features, "tasks": tasks})


def run(
    folder: Path,
    checkpoints: CheckpointFolder | None,
    config: TrainerConfig | None = None,
    data: str = "transform",
) -> tuple[Ranker, dict[str, Any]]:
    """Trains; `folder` has the transformed examples."""
    transform = tft.TFTransformOutput(str(folder / "transform"))
    files = ([str(folder / data / f"{split}-*")] for split in SPLITS)
    return train(config or make_config(), transform, *files, folder / "record", None, checkpoints)


def stop_at(count: int, act: Callable[[], None]) -> Callable[[Checkpointer, Position], None]:
    """What stands in for `Checkpointer.after_step`: after so many calls it acts."""
    after_step, calls = Checkpointer.after_step, 0

    def stopping(self: Checkpointer, position: Position, figures: Figures | None = None) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            act()
        after_step(self, position, figures)

    return stopping


def same_weights(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether they are equal, bit for bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))
