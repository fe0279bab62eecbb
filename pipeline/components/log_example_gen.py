"""LogExampleGen: ingestion as a TFX component, run again when a log file changed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
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
from tfx.dsl.placeholder.placeholder import Placeholder
from tfx.orchestration import data_types_utils
from tfx.orchestration import metadata as tfx_metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types as portable_data_types
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import artifact_utils, channel_utils, component_spec, standard_artifacts
from tfx.types.channel import OutputChannel

from pipeline.artifacts import IngestReport
from transforms.config import DataConfig
from transforms.examples import SPLITS
from transforms.ingest.make_plan import make_plan
from transforms.ingest.pipeline import build_ingest, running
from transforms.ingest.plan import IngestOutputs
from transforms.listing import fingerprint_files, list_files
from transforms.rolling.inputs import find_spans, newest_complete, spans_ahead
from transforms.rolling.roll import Rolling, make_recipe, roll
from transforms.rolling.store import SpanStore
from transforms.rolling.window import assemble, require_examples
from transforms.spans.files import files_of

FINGERPRINT = example_gen_utils.FINGERPRINT_PROPERTY_NAME
SPAN = example_gen_utils.SPAN_PROPERTY_NAME


class LogExampleGenSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of LogExampleGen."""

    PARAMETERS: ClassVar = {
        "logs": component_spec.ExecutionParameter(type=str),
        "data": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
        "store": component_spec.ExecutionParameter(type=str),
        "span": component_spec.ExecutionParameter(type=int, optional=True),
        "fingerprint": component_spec.ExecutionParameter(type=str, optional=True),
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
        config = DataConfig.model_validate_json(properties["data"])
        span, files = find_log_files(config, properties["logs"], properties.get("span"))
        if span is not None:
            properties["span"] = span
        properties[FINGERPRINT] = fingerprint(files)
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
        if config.logs.spans is not None:
            examples.set_int_custom_property(SPAN, exec_properties["span"])
            self._assemble(config, exec_properties, outputs)
            return
        plan, pipeline = make_plan(config, exec_properties["logs"]), self._make_beam_pipeline()
        with running(pipeline, outputs) as shuffle:
            build_ingest(pipeline, plan, outputs, shuffle)

    def _assemble(
        self, config: DataConfig, exec_properties: dict[str, Any], outputs: IngestOutputs
    ) -> None:
        """Ingests the spans that are not up to date, and puts the window together."""
        rolling = Rolling(
            config,
            exec_properties["logs"],
            SpanStore(exec_properties["store"]),
            make_recipe(config, exec_properties["code_version"]),
            self._make_beam_pipeline,
        )
        window = roll(rolling, exec_properties["span"])
        require_examples(window)
        assemble(config, window, outputs)


class LogExampleGen(base_beam_component.BaseBeamComponent):
    """Reads logs, joins, labels, splits; writes tf.Examples, dead letters and counts.

    Args:
        data: logs, features and tasks.
        logs: the folder of the log files.
        code_version: of `transforms`.
        store: folder of the ingested spans, for `logs.spans`.
        span: the last one of the window; by default the newest that is complete.
        found: of FindInputs, where no driver is run: which span, and a digest of the log files.
    """

    SPEC_CLASS = LogExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        data: DataConfig,
        logs: str,
        code_version: str,
        store: Path | str,
        span: int | None = None,
        found: Mapping[str, OutputChannel] | None = None,
    ) -> None:
        outputs = {
            "examples": channel_utils.as_channel([standard_artifacts.Examples()]),
            "ingestion": channel_utils.as_channel([IngestReport()]),
        }
        spec = LogExampleGenSpec(
            logs=logs,
            data=data.model_dump_json(),
            code_version=code_version,
            store=str(store),
            span=_value(found["last"]) if found else span,
            fingerprint=_value(found["fingerprint"]) if found else None,
            **outputs,
        )
        super().__init__(spec=spec)


def find_log_files(
    config: DataConfig, logs: str, span: int | None
) -> tuple[int | None, Mapping[str, str]]:
    """The last span to train on, and the log files that it depends on.

    Args:
        config: logs, features and tasks.
        logs: the folder of the log files.
        span: the one that is wanted; by default the newest that is complete.

    Returns:
        The span, None where the YAML knows none, and relative path -> path.
    """
    if config.logs.spans is None:
        return None, list_files(logs)
    spans = find_spans(config, logs)
    last = newest_complete(config, spans) if span is None else span
    end = last + spans_ahead(config)
    return last, files_of(found for number, found in spans.items() if number <= end)


def fingerprint(files: Mapping[str, str]) -> str:
    """A digest of the files' names, sizes and times of change.

    Args:
        files: relative path -> path.
    """
    marks = [[name, *mark] for name, mark in fingerprint_files(files).items()]
    return hashlib.sha256(json.dumps(marks).encode()).hexdigest()


def _value(channel: OutputChannel) -> Placeholder:
    """What a component before will have written, as a parameter."""
    return channel.future()[0].value
