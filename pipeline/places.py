"""Where a pipeline reads and writes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from serving.manifest.keys import SigningKey

if TYPE_CHECKING:
    from tfx.orchestration.data_types import RuntimeParameter

DATABASE = "metadata.sqlite"
SPANS = "spans"


@dataclass(frozen=True)
class Places:
    """Where a pipeline reads and writes.

    Attributes:
        logs: folder of the log files; a parameter, where each run may name another.
        root: folder of all artifacts.
        metadata: SQLite file of ML Metadata.
        served: folder that a server watches; versions are pushed into it.
        spans: store of ingested spans, for `logs.spans`; may be a URI.
        checkpoints: of trainings that were interrupted; no artifacts, as those begin anew.
        trials: of tuning; a search that was interrupted goes on with them.
        bases: of blessed models, where no metadata knows them.
        signing_key: signs what is pushed; None leaves it unsigned.
    """

    logs: "str | RuntimeParameter"
    root: Path
    metadata: Path
    served: Path
    spans: Path | str
    checkpoints: Path
    trials: Path
    bases: Path
    signing_key: SigningKey | None = field(default=None, kw_only=True)

    @classmethod
    def below(cls, folder: Path, ranker: str, logs: "str | RuntimeParameter") -> Self:
        """The places of a ranker in a workspace.

        Args:
            folder: the workspace.
            ranker: its name.
            logs: folder of the log files.

        Example:
            >>> Places.below(Path("/srv/workspace"), "demo", "/srv/logs").served.as_posix()
            '/srv/workspace/serving/demo'
        """
        return cls(
            logs=logs,
            root=folder / "artifacts",
            metadata=folder / DATABASE,
            served=folder / "serving" / ranker,
            spans=folder / SPANS / ranker,
            checkpoints=folder / "checkpoints" / ranker,
            trials=folder / "tuning" / ranker,
            bases=folder / "bases" / ranker,
        )
