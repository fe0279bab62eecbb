"""Skew and drift of each feature: distance, missing values, thresholds, alarms."""

from collections.abc import Iterator, Sequence

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config import RankerConfig
from pipeline.monitoring.figures import Alarm, FeatureDistance, Side
from pipeline.monitoring.options import Distances
from pipeline.monitoring.served import MODEL_VERSION, ServedLog
from pipeline.monitoring.statistics import Comparison, Statistics
from transforms.features import NumberFeature, NumericFeature
from transforms.schema import make_schema


def comparing_schema(config: RankerConfig, served: ServedLog) -> schema_pb2.Schema:
    """The curated schema, with comparators for each feature and each logged prediction.

    Args:
        config: the whole YAML.
        served: what of the request log is read.
    """
    schema = make_schema(config.data_config())
    there = {feature.name for feature in schema.feature}
    extra = make_schema(served.data).feature
    schema.feature.extend(feature for feature in extra if feature.name not in there)
    for feature in schema.feature:
        number = _is_number(feature.name, config, served)
        if number is None:
            continue
        for distances, comparator in (
            (config.monitor.skew, feature.skew_comparator),
            (config.monitor.drift, feature.drift_comparator),
        ):
            norm = comparator.jensen_shannon_divergence if number else comparator.infinity_norm
            norm.threshold = _threshold(feature.name, number, distances)
    return schema


def feature_distances(
    side: Side,
    comparison: Comparison,
    before: Statistics,
    now: Statistics,
    config: RankerConfig,
    served: ServedLog,
) -> list[FeatureDistance]:
    """What is said of each feature.

    Args:
        side: skew, and of which version, or drift.
        comparison: by TFDV.
        before: of training, or of the day before.
        now: of serving.
        config: the whole YAML.
        served: what of the request log is read.

    Returns:
        In the order of the YAML; predictions, of drift only, last.
    """
    distances = config.monitor.skew if side.kind == "skew" else config.monitor.drift
    names = list(config.features)
    if side.kind == "drift":
        names += [name for name in served.data.features if name not in (*names, MODEL_VERSION)]
    enough = min(before.num_examples, now.num_examples) >= config.monitor.min_rows
    found = []
    for name in names:
        number = _is_number(name, config, served)
        measured = comparison.measurements.get(name)
        shares = missing_share(before, name), missing_share(now, name)
        is_apart = abs(shares[1] - shares[0]) > distances.missing
        found.append(
            FeatureDistance(
                **side._asdict(),
                feature=name,
                measure="jensen_shannon" if number else "l_infinity",
                value=measured.value if measured else None,
                threshold=_threshold(name, bool(number), distances),
                missing_before=shares[0],
                missing_now=shares[1],
                missing_threshold=distances.missing,
                is_far=enough and measured is not None and measured.is_high,
                is_missing=enough and is_apart,
                text=measured.text if measured else "",
            )
        )
    return found


def missing_share(statistics: Statistics, name: str) -> float:
    """The share of examples without a value, from TFDV's counts.

    Example:
        >>> one = Statistics(num_examples=4)
        >>> feature = one.features.add(path={"step": ["age"]})
        >>> feature.num_stats.common_stats.num_non_missing = 3
        >>> missing_share(one, "age"), missing_share(one, "gone")
        (0.25, 1.0)
    """
    for feature in statistics.features:
        if list(feature.path.step) == [name]:
            stats = getattr(feature, feature.WhichOneof("stats")).common_stats
            return float(1.0 - stats.num_non_missing / statistics.num_examples)
    return 1.0


def alarms_of(found: Sequence[FeatureDistance]) -> Iterator[Alarm]:
    """An alarm for each feature that is too far, and for each that is missing more or less."""
    for one in found:
        about = {"place": one.feature, "model_version": one.model_version}
        if one.is_far:
            yield Alarm(kind=one.kind, message=one.text, **about)
        if one.is_missing:
            now, before = (f"{share:.1%}" for share in (one.missing_now, one.missing_before))
            message = f"{now} of {one.now_name} lack it, and {before} of {one.before_name}."
            yield Alarm(kind="missing", message=message, **about)


def _is_number(name: str, config: RankerConfig, served: ServedLog) -> bool | None:
    """Whether it is measured as a number; None for what is not measured: labels, ids, positions."""
    feature = config.features.get(name)
    if feature is not None:
        return isinstance(feature, NumberFeature)
    is_prediction = isinstance(served.data.features.get(name), NumericFeature)
    return True if is_prediction else None


def _threshold(name: str, number: bool, distances: Distances) -> float:
    return distances.features.get(name, distances.numeric if number else distances.categorical)
