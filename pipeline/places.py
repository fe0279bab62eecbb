"""Where a pipeline reads and writes."""

from dataclasses import dataclass, field
from pathlib import Path

from serving.manifest.keys import SigningKey


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
        signing_key: signs what is pushed; None leaves it unsigned.
    """

    logs: str
    root: Path
    metadata: Path
    served: Path
    spans: Path
    checkpoints: Path
    trials: Path
    signing_key: SigningKey | None = field(default=None, kw_only=True)
