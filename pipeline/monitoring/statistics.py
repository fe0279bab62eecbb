"""TensorFlow Data Validation: statistics of served features, and how far apart two sides are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

# First: TFDV asks tfx_bsl for SQL, which PyPI's has not, and TFX puts a stand-in there.
import tfx  # noqa: F401

# isort: split
import apache_beam as beam
import tensorflow_data_validation as tfdv
from google.protobuf.message import DecodeError
from tensorflow_data_validation.utils.slicing_util import get_feature_value_slicer
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from pipeline.monitoring.histograms import with_common_bins
from transforms.engine import make_pipeline, telling_errors
from transforms.errors import InputError
from transforms.example_files.reading import ExampleFiles
from transforms.small_files import read_small_file

ALL = "All Examples"
"""TFDV's name of what is not sliced."""

_MAX_BYTES = 256 << 20
_MEASURES = {
    anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY: "l_infinity",
    anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE: "jensen_shannon",
}
_COMPARATORS = frozenset(
    anomalies_pb2.AnomalyInfo.Type.Value(name)
    for name in ("COMPARATOR_L_INFTY_HIGH", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH")
)

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatistics


class Measurement(NamedTuple):
    """A distance, as TFDV says it.

    Attributes:
        measure: `l_infinity` or `jensen_shannon`.
        value: of it.
        is_high: whether it is above the threshold of the schema.
        text: TFDV's sentence if it is; it names the word that differs most.
    """

    measure: str
    value: float
    is_high: bool
    text: str


class Comparison(NamedTuple):
    """Two sides compared.

    Attributes:
        measurements: feature -> distance; features that one side has not are not there.
        anomalies: (feature, sentence), of the rules of the schema that the current side breaks.
    """

    measurements: dict[str, Measurement]
    anomalies: list[tuple[str, str]]


def write_statistics(
    examples: Sequence[Path],
    feature: str,
    words: Sequence[str],
    out: Path,
    make_beam_pipeline: Callable[[], beam.Pipeline] = make_pipeline,
) -> None:
    """Computes TFDV's statistics of all examples, and of some values of a feature.

    Args:
        examples: TFRecord files of tf.Examples.
        feature: of text.
        words: its values.
        out: the file to write, a DatasetFeatureStatisticsList.
        make_beam_pipeline: gives the pipeline to run.
    """
    slices = {feature: [word.encode() for word in words]}
    options = tfdv.StatsOptions(experimental_slice_functions=[get_feature_value_slicer(slices)])
    with telling_errors(), make_beam_pipeline() as pipeline:
        _ = (
            pipeline
            | "ReadExamples" >> ExampleFiles([str(path) for path in examples]).BeamSource()
            | "GenerateStatistics" >> tfdv.GenerateStatistics(options)
            | "WriteStatistics" >> tfdv.WriteStatisticsToBinaryFile(str(out))
        )


def read_statistics(path: Path, feature: str) -> tuple[Statistics, dict[str, Statistics]]:
    """What `write_statistics` wrote: of all examples, and of each value of the feature.

    Raises:
        InputError: if the file cannot be read, or holds something else.
    """
    found = statistics_pb2.DatasetFeatureStatisticsList()
    try:
        found.ParseFromString(read_small_file(path, _MAX_BYTES))
        (whole,) = (one for one in found.datasets if one.name == ALL)
    except (DecodeError, ValueError):
        raise InputError(f"{path}: must hold statistics by TFDV, of all examples too") from None
    mark = f"{feature}_"
    slices = (one for one in found.datasets if one.name.startswith(mark))
    return whole, {one.name.removeprefix(mark): one for one in slices}


def skew(training: Statistics, serving: Statistics, schema: schema_pb2.Schema) -> Comparison:
    """Serving against training, by the schema's skew comparators."""
    training, serving = with_common_bins(training, serving)
    return _read(
        tfdv.validate_statistics(_whole(training), schema, serving_statistics=_whole(serving)),
        "skew_measurements",
        "between training and serving",
    )


def drift(
    current: Statistics, previous: Statistics | None, schema: schema_pb2.Schema
) -> Comparison:
    """Serving against the serving before, by drift comparators; without one, the schema alone."""
    if previous is not None:
        previous, current = with_common_bins(previous, current)
    before = None if previous is None else _whole(previous)
    return _read(
        tfdv.validate_statistics(_whole(current), schema, previous_statistics=before),
        "drift_measurements",
        "between current and previous",
    )


def _whole(statistics: Statistics) -> statistics_pb2.DatasetFeatureStatisticsList:
    """One side, under the name that TFDV looks for."""
    whole = statistics_pb2.DatasetFeatureStatisticsList()
    whole.datasets.add().CopyFrom(statistics)
    whole.datasets[0].name = ALL
    return whole


def _read(anomalies: anomalies_pb2.Anomalies, field: str, sides: str) -> Comparison:
    high: dict[str, str] = {}
    broken = []
    for info in anomalies.anomaly_info.values():
        name = ".".join(info.path.step)
        for reason in info.reason:
            if reason.type not in _COMPARATORS:
                broken.append((name, reason.description))
            elif sides in reason.short_description:
                high[name] = reason.description
    measurements = {}
    for info in anomalies.drift_skew_info:
        name = ".".join(info.path.step)
        for one in getattr(info, field):
            is_high = one.value > one.threshold
            text = high.get(name, "")
            measurements[name] = Measurement(_MEASURES[one.type], one.value, is_high, text)
    return Comparison(measurements, sorted(broken))
