"""Where a pipeline reads and writes."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where a pipeline reads and writes.

    Attributes:
        logs: folder of the log files.
        root: folder of all artifacts.
        metadata: SQLite file of ML Metadata.
        served: folder that a server watches; versions are pushed into it.
        spans: store of ingested spans, for `logs.spans`.
        checkpoints: of trainings that were interrupted; no artifacts, as those begin anew.
        trials: of tuning; a search that was interrupted goes on with them.
    """

    logs: str
    root: Path
    metadata: Path
    served: Path
    spans: Path
    checkpoints: Path
    trials: Path
