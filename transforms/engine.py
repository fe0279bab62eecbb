"""Which engine Beam runs on."""

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

# Named in full: `DirectRunner` would first look for an engine to download.
IN_PROCESS = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
IN_PROCESS_ARGS = (f"--runner={IN_PROCESS}", "--direct_num_workers=1")


def make_pipeline(args: tuple[str, ...] = IN_PROCESS_ARGS) -> beam.Pipeline:
    """A Beam pipeline, by default inside this process.

    Args:
        args: Beam's options, such as `--runner=FlinkRunner`.
    """
    return beam.Pipeline(options=PipelineOptions(list(args)))


def is_in_process(pipeline: beam.Pipeline) -> bool:
    """Whether a pipeline is to run inside this process, or in others of this machine."""
    return isinstance(pipeline.runner, FnApiRunner)
