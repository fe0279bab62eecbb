"""PackageModel: the candidate with all that it needs where it is used.

History features need to know what was known of users and items when training ended; only
ingestion knows it, and Trainer does not see that.
"""

import shutil
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from pipeline.artifacts import IngestReport
from serving.bulk_scoring import history_path
from transforms.ingest.history.state import HISTORY_FILE


@component
def PackageModel(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    ingestion: InputArtifact[IngestReport],
    packaged: OutputArtifact[standard_artifacts.Model],
) -> None:
    """Copies the SavedModel and puts the history, if there is one, into its assets.extra.

    Args:
        model: the candidate.
        ingestion: of the logs that it was trained on.
        packaged: what is checked and pushed.
    """
    source = Path(path_utils.serving_model_path(model.uri))
    target = Path(path_utils.serving_model_dir(packaged.uri))
    shutil.copytree(source, target, dirs_exist_ok=True)
    history = Path(ingestion.uri) / HISTORY_FILE
    if history.is_file():
        place = history_path(target)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(history, place)
