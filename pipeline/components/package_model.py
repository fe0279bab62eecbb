"""PackageModel: the candidate with all that it needs where it is used.

History features need to know what was known of users and items when training ended, and the
Pusher which days a model has seen; only ingestion knows both, and Trainer does not see that.
"""

import shutil
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from pipeline.artifacts import IngestReport
from serving.bulk_scoring.scorer import history_path
from transforms.ingest.history.state import HISTORY_FILE
from transforms.rolling.window import SPANS_FILE


@component
def PackageModel(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    ingestion: InputArtifact[IngestReport],
    packaged: OutputArtifact[standard_artifacts.Model],
) -> None:
    """Makes the model as it is deployed.

    Args:
        model: the candidate.
        ingestion: of the logs that it was trained on.
        packaged: what is checked and pushed.
    """
    package_model(
        Path(path_utils.serving_model_path(model.uri)),
        Path(ingestion.uri),
        Path(path_utils.serving_model_dir(packaged.uri)),
    )


def package_model(model: Path, ingestion: Path, packaged: Path) -> None:
    """Copies the SavedModel and puts history and spans, if there are any, into its assets.extra.

    Args:
        model: the SavedModel.
        ingestion: the folder that ingestion filled with counts and dead letters.
        packaged: the folder to fill.
    """
    shutil.copytree(model, packaged, dirs_exist_ok=True)
    extra = history_path(packaged).parent
    for name in (HISTORY_FILE, SPANS_FILE):
        if (ingestion / name).is_file():
            extra.mkdir(exist_ok=True)
            shutil.copyfile(ingestion / name, extra / name)
