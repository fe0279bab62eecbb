"""The request log as ingestion reads it: a column a feature as it was served, and predictions."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from pipeline.config import RankerConfig
from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.examples import KEYS, POSITION, SCORE, prediction_name
from transforms.features import (
    CategoricalFeature,
    Feature,
    NumberFeature,
    NumericFeature,
    SequenceFeature,
)
from transforms.ingest.adapters.base import LogFile
from transforms.ingest.adapters.canonical import as_logs
from transforms.ingest.reading.parquet import open_parquet
from transforms.logs import Logs, Split
from transforms.tasks import Task

MODEL_VERSION = "model_version"


@dataclass(frozen=True)
class ServedLog:
    """What of a request log can be read.

    Attributes:
        data: to ingest it by. Features are as the model got them, histories too; each task's
            logged prediction and the model's version are features of their own.
        missing: features that no file has.
        new: columns that the YAML does not know.
        unlabelled: task -> why its labels cannot be made.
    """

    data: DataConfig
    missing: tuple[str, ...]
    new: tuple[str, ...]
    unlabelled: Mapping[str, str]

    @property
    def predicted(self) -> tuple[str, ...]:
        """The tasks whose predictions were logged."""
        return tuple(t for t in self.data.tasks if prediction_name(t) in self.data.features)


def read_columns(files: Mapping[str, str]) -> frozenset[str]:
    """The columns of all impressions.

    Args:
        files: relative path -> path, also of feedback.

    Raises:
        InputError: if one is no Parquet file.
    """
    logs = [log for log in as_logs(files) if log.role == "impressions"]
    return frozenset[str]().union(*(_columns(log) for log in logs))


def _columns(log: LogFile) -> frozenset[str]:
    if log.dialect is not None:
        raise InputError(f"{log.path}: a request log must be Parquet")
    with open_parquet(log.path) as file:
        return frozenset(file.schema_arrow.names)


def served_log(config: RankerConfig, columns: Set[str]) -> ServedLog:
    """How a request log with some columns is read.

    Args:
        config: the whole YAML.
        columns: that there are.
    """
    features: dict[str, Feature] = {
        name: _as_served(feature) for name, feature in config.features.items() if name in columns
    }
    predictions = {prediction_name(task) for task in config.tasks} & columns
    features |= {name: NumericFeature(of="item", kind="numeric") for name in sorted(predictions)}
    features[MODEL_VERSION] = CategoricalFeature(of="context", kind="categorical")
    known = {*config.features, *KEYS, POSITION, SCORE, MODEL_VERSION, *predictions}
    known |= {task.mask.column for task in config.tasks.values() if task.mask and task.mask.column}
    return ServedLog(
        DataConfig(
            logs=_logs(config.logs),
            features=features,
            tasks={name: _labelled(task, columns) for name, task in config.tasks.items()},
        ),
        tuple(name for name in config.features if name not in columns),
        tuple(sorted(columns - known)),
        _unlabelled(config.tasks, columns),
    )


def _as_served(feature: Feature) -> Feature:
    """A feature by its own column: what the model got, not what it would be made of again."""
    about = {"of": feature.of, "min_presence": feature.min_presence}
    if isinstance(feature, NumberFeature):
        return NumericFeature(kind="numeric", **about)
    if isinstance(feature, SequenceFeature):
        return CategoricalFeature(
            kind="categorical", multivalued=True, max_values=feature.length, **about
        )
    options = feature.model_dump(include={"multivalued", "max_values", "is_in"})
    return CategoricalFeature(kind="categorical", **about, **options)


def _logs(logs: Logs) -> Logs:
    # No example is held out, and which days are read has been settled.
    changes = {"adapter": "canonical", "spans": None, "split": Split(by="request")}
    return logs.model_copy(update={**changes, "known_after": ()})


def _labelled(task: Task, columns: Set[str]) -> Task:
    """The task, without a mask by a column that was not logged; see `_unlabelled`."""
    mask = task.mask
    if mask is not None and mask.column is not None and mask.column not in columns:
        there = mask.event is not None or mask.task is not None
        mask = mask.model_copy(update={"column": None, "is_in": ()}) if there else None
    # Nobody has to have clicked on a slow day.
    label = task.label.model_copy(update={"may_be_absent": True})
    return task.model_copy(update={"mask": mask, "label": label})


def _unlabelled(tasks: Mapping[str, Task], columns: Set[str]) -> dict[str, str]:
    """Tasks whose mask needs what the log has not, also by the task that masks them."""
    found = {}
    for name, task in tasks.items():
        step: Task | None = task
        while step is not None and step.mask is not None:
            column = step.mask.column
            if column is not None and column not in columns:
                found[name] = f"its mask needs the column `{column}`, which is not in the log"
                break
            step = tasks[step.mask.task] if step.mask.task else None
    return found
