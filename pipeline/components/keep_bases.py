"""KeepBases: what later days begin from, if the candidate was blessed."""

from pathlib import Path
from typing import cast

from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from pipeline.bases import keep_bases
from trainer.config import Role
from trainer.warm_start.bundle import find_base


@component
def KeepBases(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    baseline_model: InputArtifact[standard_artifacts.Model],
    blessing: InputArtifact[standard_artifacts.ModelBlessing],
    span: Parameter[int],
    bases: Parameter[str],
) -> None:
    """Copies the bases of both models into the folder of bases.

    Args:
        model: the candidate.
        baseline_model: the baseline beside it.
        blessing: of the candidate.
        span: the last day that they were trained on.
        bases: the folder.
    """
    if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY):
        files = {
            "candidate": find_base(Path(model.uri)),
            "baseline": find_base(Path(baseline_model.uri)),
        }
        served = Path(path_utils.serving_model_path(model.uri))
        keep_bases(Path(bases), span, cast(dict[Role, Path], files), served)
