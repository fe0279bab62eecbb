"""Served features against training, of each version, and against the day before."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.config import RankerConfig
from pipeline.monitoring.distances import alarms_of, comparing_schema, feature_distances
from pipeline.monitoring.figures import Alarm, FeatureDistance, Side
from pipeline.monitoring.served import ServedLog
from pipeline.monitoring.statistics import Statistics, drift, skew
from pipeline.monitoring.training import TrainingRun


class Served(NamedTuple):
    """Statistics of what was served.

    Attributes:
        whole: of all of it.
        versions: of each version that is looked at.
    """

    whole: Statistics
    versions: Mapping[str, Statistics]


class Compared(NamedTuple):
    """What the comparisons say.

    Attributes:
        distances: of each feature.
        alarms: of these, and of rules of the schema that serving breaks.
        notes: what could not be compared, and why.
    """

    distances: list[FeatureDistance]
    alarms: list[Alarm]
    notes: list[str]


def compare(
    config: RankerConfig,
    log: ServedLog,
    served: Served,
    training: Mapping[str, TrainingRun],
    previous: tuple[str, Statistics] | None,
) -> Compared:
    """Measures skew of each version, and drift of all of them together.

    Args:
        config: the whole YAML.
        log: what of the request log was read.
        served: of the day.
        training: version -> the run that pushed it.
        previous: the day before that was watched, with what was served then.
    """
    schema = comparing_schema(config, log)
    distances: list[FeatureDistance] = []
    notes = list(_few(config, served))
    for version, now in served.versions.items():
        before = training[version].statistics if version in training else None
        if before is None:
            notes.append(
                f"Version {version}: no run of the workspace that pushed it has statistics of its "
                "training data, so its skew is not measured."
            )
            continue
        side = Side("skew", version, "the training data", f"what version {version} served")
        compared = skew(before, now, schema)
        distances += feature_distances(side, compared, before, now, config, log)
    against = drift(served.whole, previous[1] if previous else None, schema)
    if previous is None:
        notes.append("No earlier day was watched, so drift is not measured.")
    else:
        side = Side("drift", None, f"what was served by {previous[0]}", "what was served")
        sides = previous[1], served.whole
        distances += feature_distances(side, against, *sides, config, log)
    broken = [
        Alarm(kind="schema", place=name or "(all)", model_version=None, message=text)
        for name, text in against.anomalies
    ]
    return Compared(distances, [*alarms_of(distances), *broken], notes)


def _few(config: RankerConfig, served: Served) -> Sequence[str]:
    rows = {f"Version {name}": one.num_examples for name, one in served.versions.items()}
    rows["The day"] = served.whole.num_examples
    least = config.monitor.min_rows
    return [
        f"{name}: {count:,} impressions are too few for an alarm about a distance; "
        f"monitor.min_rows is {least:,}."
        for name, count in rows.items()
        if count < least
    ]
