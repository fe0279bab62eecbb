"""CheckIngest: stops the run when too many rows were refused.

A component of its own, because TFX deletes the outputs of a component that fails, and the
dead letters are just what the operator needs then.
"""

from tfx.dsl.component.experimental.annotations import InputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component

from pipeline.artifacts import IngestReport
from transforms.config import DataConfig
from transforms.errors import GaterankError
from transforms.ingest.counting.checks import check_counts
from transforms.ingest.counting.counts import read_counts


@component
def CheckIngest(  # noqa: N802
    ingestion: InputArtifact[IngestReport],
    data: Parameter[str],
    code_version: Parameter[str],
) -> None:
    """Checks that the counts balance, and the ratio of dead letters.

    Args:
        ingestion: counts and dead letters.
        data: `DataConfig` as JSON.
        code_version: of `transforms`; part of the cache key.

    Raises:
        DeadLetterRatioError: if the ratio is over `logs.dead_letters.max_ratio`.
    """
    try:
        check_counts(read_counts(ingestion.uri), DataConfig.model_validate_json(data))
    except GaterankError as error:
        raise type(error)(f"{error}. Counts and refused rows: {ingestion.uri}") from None
