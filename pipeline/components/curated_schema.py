"""CuratedSchema: the schema that the YAML implies, as an artifact."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from transforms.config import DataConfig
from transforms.schema import make_schema

SCHEMA_FILE = "schema.pbtxt"


@component
def CuratedSchema(  # noqa: N802
    schema: OutputArtifact[standard_artifacts.Schema],
    data: Parameter[str],
    code_version: Parameter[str],
) -> None:
    """Writes the schema.

    Args:
        schema: where it goes.
        data: `DataConfig` as JSON.
        code_version: of `transforms`; part of the cache key.
    """
    config = DataConfig.model_validate_json(data)
    io_utils.write_pbtxt_file(str(Path(schema.uri) / SCHEMA_FILE), make_schema(config))
