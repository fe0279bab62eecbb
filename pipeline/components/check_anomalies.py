"""CheckAnomalies: stops the run at an anomaly, with its text."""

from dataclasses import asdict, dataclass
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from transforms.errors import DataAnomalyError

_FILE = "SchemaDiff.pb"


@dataclass(frozen=True)
class Anomaly:
    """One finding of ExampleValidator.

    Attributes:
        split: where it was found.
        feature: the feature, or `(data set)`.
        reason: in short.
        description: in full.
    """

    split: str
    feature: str
    reason: str
    description: str


@component
def CheckAnomalies(  # noqa: N802
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
) -> None:
    """Stops the run if there is an anomaly in any split.

    Args:
        anomalies: of ExampleValidator.

    Raises:
        DataAnomalyError: with one line an anomaly.
    """
    found = read_anomalies(anomalies)
    if found:
        lines = [f"  {a.feature} ({a.split}): {a.description}" for a in found]
        raise DataAnomalyError(
            "\n".join([f"the examples break the schema in {len(found)} places", *lines])
        )


def read_anomalies(artifact: standard_artifacts.ExampleAnomalies) -> list[Anomaly]:
    """All anomalies of all splits.

    Args:
        artifact: of ExampleValidator.
    """
    found = []
    for path in sorted(Path(artifact.uri).glob(f"Split-*/{_FILE}")):
        message = anomalies_pb2.Anomalies()
        message.ParseFromString(io_utils.read_bytes_file(str(path)))
        split = path.parent.name.removeprefix("Split-")
        infos = dict(message.anomaly_info)
        if message.HasField("dataset_anomaly_info"):
            infos["(data set)"] = message.dataset_anomaly_info
        if message.data_missing:
            found.append(Anomaly(split, "(data set)", "no data", "the split has no examples"))
        for feature, info in sorted(infos.items()):
            found.append(Anomaly(split, feature, info.short_description, info.description))
    return found


def anomalies_as_json(artifact: standard_artifacts.ExampleAnomalies) -> list[dict[str, str]]:
    """The same, for the report."""
    return [asdict(anomaly) for anomaly in read_anomalies(artifact)]
