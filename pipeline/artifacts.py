"""The artifact types that TFX does not have."""

from tfx.types.artifact import Artifact


class IngestReport(Artifact):
    """Counts of what was read, and the dead letters: `counts.json`, Parquet files."""

    TYPE_NAME = "gaterank.IngestReport"


class GateReport(Artifact):
    """The HTML report of one run: `report.html`, and its figures: `figures.json`."""

    TYPE_NAME = "gaterank.GateReport"
