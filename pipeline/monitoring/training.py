"""What the run that pushed a version knew: statistics of its training data, its evaluation."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.components.evaluate_ranker import FIGURES_FILE
from pipeline.evaluation.figures import Figures
from pipeline.report.render import REPORT_FILE
from pipeline.served.records import pushed_as, read_rollbacks
from pipeline.workspace import Run, Workspace
from transforms.small_files import read_small_file

_MAX_BYTES = 256 << 20
# As TFX's StatisticsGen names it.
_STATISTICS_FILE = "Split-train/FeatureStats.pb"


class TrainingRun(NamedTuple):
    """A run that has pushed a version.

    Attributes:
        run_id: of it.
        statistics: of the split that was trained on; None if they are gone.
        figures: of the evaluation; None if they are gone.
        report: its page; None if it is gone.
    """

    run_id: str
    statistics: statistics_pb2.DatasetFeatureStatistics | None
    figures: Figures | None
    report: Path | None


def find_training(
    workspace: Workspace, ranker: str, versions: Iterable[str]
) -> dict[str, TrainingRun]:
    """The runs that pushed some versions, or what they are copies of.

    Of a version that no run pushed there is none.

    Args:
        workspace: where they were pushed from.
        ranker: its name.
        versions: as the request log has them.

    Raises:
        InputError: if the folder is no workspace.
    """
    # A later run that changed nothing holds the same push: the oldest one made it.
    pushes = {
        run.pushed_version: run
        for run in workspace.runs()
        if run.ranker == ranker and run.pushed_version
    }
    rollbacks = read_rollbacks(workspace.places(ranker, "").served)
    origins = {version: pushed_as(version, rollbacks) for version in versions}
    return {
        version: _read(pushes[origin]) for version, origin in origins.items() if origin in pushes
    }


def _read(run: Run) -> TrainingRun:
    figures = _file(run, "ModelEvaluation", FIGURES_FILE)
    return TrainingRun(
        run.run_id,
        _statistics(_file(run, "ExampleStatistics", _STATISTICS_FILE)),
        Figures.model_validate_json(read_small_file(figures, _MAX_BYTES)) if figures else None,
        _file(run, "gaterank.GateReport", REPORT_FILE),
    )


def _file(run: Run, type_name: str, name: str) -> Path | None:
    folder = run.uri(type_name)
    return folder / name if folder and (folder / name).is_file() else None


def _statistics(path: Path | None) -> statistics_pb2.DatasetFeatureStatistics | None:
    if path is None:
        return None
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    statistics.ParseFromString(read_small_file(path, _MAX_BYTES))
    return statistics.datasets[0] if statistics.datasets else None
