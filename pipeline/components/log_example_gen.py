"""LogExampleGen: ingestion as a TFX component, run again when a log file changed."""

import hashlib
import json
from typing import Any, ClassVar

from tfx import types
from tfx.components.example_gen import utils as example_gen_utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import (
    base_beam_component,
    base_beam_executor,
    base_driver,
    executor_spec,
)
from tfx.orchestration import data_types_utils
from tfx.orchestration import metadata as tfx_metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types as portable_data_types
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import artifact_utils, channel_utils, component_spec, standard_artifacts

from pipeline.artifacts import IngestReport
from transforms.config import DataConfig
from transforms.examples import SPLITS
from transforms.ingest.pipeline import build_ingest, shuffling_beside
from transforms.ingest.plan import IngestOutputs
from transforms.storage import list_files, locate

FINGERPRINT = example_gen_utils.FINGERPRINT_PROPERTY_NAME


class LogExampleGenSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of LogExampleGen."""

    PARAMETERS: ClassVar = {
        "logs": component_spec.ExecutionParameter(type=str),
        "data": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {}
    OUTPUTS: ClassVar = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "ingestion": component_spec.ChannelParameter(type=IngestReport),
    }


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Adds a fingerprint of the log files to the cache key.

    TFX asks for both bases; its launcher calls the portable one's `run`.
    """

    def __init__(self, metadata_handle: tfx_metadata.Metadata) -> None:
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(
        self, execution_info: portable_data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Lists the files at run time: a schedule's DAG is made long before the day's logs."""
        properties = execution_info.exec_properties
        properties[FINGERPRINT] = fingerprint_logs(properties["logs"])
        result = driver_output_pb2.DriverOutput()
        for name, value in properties.items():
            data_types_utils.set_metadata_value(result.exec_properties[name], value)
        for name, artifacts in execution_info.output_dict.items():
            result.output_artifacts[name].artifacts.extend(a.mlmd_artifact for a in artifacts)
        return result


class Executor(base_beam_executor.BaseBeamExecutor):
    """Runs the Beam pipeline of `transforms.ingest`."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the examples of both splits, the dead letters and the counts."""
        config = DataConfig.model_validate_json(exec_properties["data"])
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        examples.splits = SPLITS
        examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
        outputs = IngestOutputs(
            train=examples.path(split="train"),
            eval=examples.path(split="eval"),
            dead_letters=artifact_utils.get_single_uri(output_dict["ingestion"]),
        )
        pipeline = self._make_beam_pipeline()
        with shuffling_beside(outputs, pipeline) as shuffle, pipeline:
            build_ingest(pipeline, config, exec_properties["logs"], outputs, shuffle=shuffle)


class LogExampleGen(base_beam_component.BaseBeamComponent):
    """Reads logs, joins, labels, splits; writes tf.Examples, dead letters and counts.

    Args:
        data: logs, features and tasks.
        logs: the folder of the log files.
        code_version: of `transforms`.
    """

    SPEC_CLASS = LogExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, data: DataConfig, logs: str, code_version: str) -> None:
        outputs = {
            "examples": channel_utils.as_channel([standard_artifacts.Examples()]),
            "ingestion": channel_utils.as_channel([IngestReport()]),
        }
        spec = LogExampleGenSpec(
            logs=logs, data=data.model_dump_json(), code_version=code_version, **outputs
        )
        super().__init__(spec=spec)


def fingerprint_logs(logs: str) -> str:
    """A digest of the files' names, sizes and times of change.

    Args:
        logs: the folder of the log files.
    """
    lines = []
    for name, path in list_files(logs).items():
        file_system, inner = locate(path)
        info = file_system.get_file_info(inner)
        lines.append([name, info.size, info.mtime_ns])
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()
