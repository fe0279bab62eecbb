"""The part of the YAML that floor 1 reads: logs, features and tasks, checked together."""

from collections.abc import Set

from pydantic import model_validator

from transforms.examples import (
    ITEM_ID,
    KEYS,
    POSITION,
    REQUEST_ID,
    SCORE,
    TIMESTAMP,
    USER_ID,
    label_name,
    weight_name,
)
from transforms.features import (
    CategoricalFeature,
    ColumnFeature,
    Feature,
    Features,
    HistoryFeature,
    KeyedFeature,
    NumericFeature,
    SequenceFeature,
    column_of,
)
from transforms.logs import Logs
from transforms.section import Section
from transforms.shared_words import check_shares
from transforms.tasks import Tasks

# Columns that the official files hold but that are known only once the item was shown.
KNOWN_AFTER = {
    "canonical": frozenset[str](),
    "kuairand": frozenset(
        {
            *("is_click", "is_like", "is_follow", "is_comment", "is_forward", "is_hate"),
            *("long_view", "play_time_ms", "profile_stay_time", "comment_stay_time"),
            "is_profile_enter",
        }
    ),
    "movielens": frozenset({"rating"}),
}


class DataConfig(Section):
    """Logs, features and tasks: all that is needed to turn log rows into examples.

    Attributes:
        logs: where the rows are and how they are split.
        features: what the model may know before the impression.
        tasks: what it predicts.
    """

    logs: Logs = Logs()
    features: Features
    tasks: Tasks

    @model_validator(mode="after")
    def _no_feature_from_the_future(self) -> "DataConfig":
        known_after = KNOWN_AFTER[self.logs.adapter] | set(self.logs.known_after)
        known_after |= set(self.events)
        for name, feature in self.column_features.items():
            _check_column(f"features.{name}", "column", column_of(name, feature), known_after)
        for name, history in self.history_features.items():
            for column in history.key:
                _check_column(f"features.{name}", "by", column, known_after)
            if history.task is not None and history.task not in self.tasks:
                raise ValueError(
                    f"features.{name}: `task` must name a task. Received: {history.task!r}, "
                    f"tasks are {sorted(self.tasks)}"
                )
        return self

    @model_validator(mode="after")
    def _words_can_be_shared(self) -> "DataConfig":
        check_shares(self.features)
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> "DataConfig":
        taken = {make(task) for task in self.tasks for make in (label_name, weight_name)}
        for name, feature in self.features.items():
            _check_name(name, feature, taken)
        for name in self.tasks:
            if name == SCORE:
                raise ValueError(f"tasks.{name}: the name is taken by the combined score")
            if name in self.groups:
                raise ValueError(f"tasks.{name}: a group has this name; give one of them another")
        return self

    @model_validator(mode="after")
    def _labels_are_of_known_events(self) -> "DataConfig":
        unknown = set(self.events) - set(self.logs.events or self.events)
        if unknown:
            raise ValueError(
                "logs.events: must name every event that a label or a mask needs. "
                f"Missing: {sorted(unknown)}"
            )
        return self

    @property
    def column_features(self) -> dict[str, NumericFeature | CategoricalFeature]:
        """The features that columns of the impressions hold."""
        return {n: f for n, f in self.features.items() if not isinstance(f, KeyedFeature)}

    @property
    def history_features(self) -> dict[str, HistoryFeature | SequenceFeature]:
        """The features that ingestion makes of earlier impressions."""
        return {n: f for n, f in self.features.items() if isinstance(f, KeyedFeature)}

    @property
    def events(self) -> tuple[str, ...]:
        """The feedback events that some label or mask needs, in alphabetical order."""
        masks = (task.mask.event for task in self.tasks.values() if task.mask)
        labels = (task.label.event for task in self.tasks.values())
        return tuple(sorted({*labels, *(event for event in masks if event)}))

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Group -> its tasks, both in the order of the YAML."""
        groups: dict[str, tuple[str, ...]] = {}
        for name, task in self.tasks.items():
            groups[task.group] = (*groups.get(task.group, ()), name)
        return groups

    def columns_of(self, owner: str) -> dict[str, str]:
        """Feature -> column of the features that belong to `user`, `item` or `context`."""
        features = self.column_features.items()
        return {name: column_of(name, f) for name, f in features if f.of == owner}

    @property
    def has_position(self) -> bool:
        """Whether `position` is an ordinary feature, and not only the position tower's."""
        return POSITION in self.features


def _check_column(place: str, setting: str, column: str, known_after: Set[str]) -> None:
    """Refuses a column that tells of the future, or one that names an impression."""
    if column in known_after:
        raise ValueError(
            f"{place}: a feature must be known before the impression. "
            f"Received: {setting}={column!r}, which is known only after it"
        )
    if column in (REQUEST_ID, TIMESTAMP):
        raise ValueError(f"{place}: `{column}` names an impression and cannot be an input")


def _check_name(name: str, feature: Feature, taken: Set[str]) -> None:
    """Refuses a feature whose name stands for something else in an example."""
    held = column_of(name, feature) if isinstance(feature, ColumnFeature) else None
    is_key = name in (*KEYS, POSITION) and held != name
    if is_key or name in taken:
        raise ValueError(
            f"features.{name}: the name is taken in an example by "
            f"{'a key' if is_key else 'a label or a weight'}; give the feature another name"
        )
    if name in (USER_ID, ITEM_ID) and not isinstance(feature, CategoricalFeature):
        raise ValueError(f"features.{name}: an id must be categorical. Received: kind=numeric")
