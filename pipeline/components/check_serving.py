"""CheckServing: loads the model as a server would, predicts, and blesses the infrastructure.

TFX's InfraValidator needs a container engine; this one needs the machine it runs on.
"""

from pathlib import Path

import numpy as np
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils, path_utils

from serving.bulk_scoring.scorer import ExampleScorer, read_examples
from transforms.errors import GaterankError
from transforms.ingest.writing.tfrecord import find_shards

_NUM_EXAMPLES = 64


@component
def CheckServing(  # noqa: N802
    model: InputArtifact[standard_artifacts.Model],
    examples: InputArtifact[standard_artifacts.Examples],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
) -> None:
    """Predicts some examples of the eval split with the model to be pushed.

    Args:
        model: the candidate.
        examples: raw examples.
        blessing: blessed if all predictions are finite.

    Raises:
        GaterankError: if a prediction is not finite.
    """
    files = find_shards(Path(examples.path(split="eval")))
    serialized = next(read_examples(files, _NUM_EXAMPLES))
    predictions = ExampleScorer(Path(path_utils.serving_model_path(model.uri)))(serialized)
    broken = [name for name, values in predictions.items() if not np.isfinite(values).all()]
    if broken:
        raise GaterankError(f"the model must predict finite numbers. Not finite: {broken}")
    # As TFX's InfraValidator marks it, so that the Pusher obeys.
    io_utils.write_string_file(str(Path(blessing.uri) / "INFRA_BLESSED"), "")
    blessing.set_int_custom_property("blessed", 1)
