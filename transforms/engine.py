"""The engine that Beam runs on: its options, and its errors told as gaterank's own."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms import errors
from transforms.beam import Beam, Environment, Option
from transforms.direct_workers import register
from transforms.errors import ConfigError, GaterankError, InputError

# Named in full: `DirectRunner` would first look for an engine to download.
IN_PROCESS = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
JOB_ENDPOINT = "127.0.0.1:8099"
_DIRECT = Beam()
# Beam would wait five minutes for a job server that is not there.
_PATIENCE = "--job_server_timeout=60"
_WORKER_ERROR = re.compile(r"transforms\.errors\.(\w+): ([^\n]*)")

register()


def make_args(section: Beam) -> tuple[str, ...]:
    """Beam's options for the `beam` section of a YAML.

    Args:
        section: the runner and its options.

    Raises:
        ConfigError: if Beam has no such option.

    Example:
        >>> make_args(Beam(runner="spark", job_endpoint="spark.lan:8099"))[1]
        '--job_endpoint=spark.lan:8099'
    """
    own = tuple(arg for name, value in section.options.items() for arg in _option(name, value))
    if section.has_job_server:
        # What an engine's own options are, only its job server knows.
        endpoint = f"--job_endpoint={section.job_endpoint or JOB_ENDPOINT}"
        workers = _environment(section.environment or Environment())
        return ("--runner=PortableRunner", endpoint, _PATIENCE, *workers, *own)
    _check_options(own)
    if section.runner == "dataflow":
        image = section.environment.image if section.environment else None
        return ("--runner=DataflowRunner", *_option("sdk_container_image", image or ()), *own)
    mode = ("--direct_running_mode=multi_processing",) if section.workers > 1 else ()
    return (f"--runner={IN_PROCESS}", f"--direct_num_workers={section.workers}", *mode, *own)


def make_tfx_args(section: Beam) -> tuple[str, ...]:
    """Beam's options for TFX's components.

    Args:
        section: the runner and its options.

    Raises:
        ConfigError: if Beam has no such option.
    """
    args = make_args(section)
    if not section.has_job_server:
        return args
    # Without a word about images TFX would send its own source to workers that have it.
    return (*args, "--sdk_container_image=unused", "--beam_plugin=tfx")


def make_pipeline(section: Beam = _DIRECT) -> beam.Pipeline:
    """A Beam pipeline, which runs at the end of a `with` block.

    Args:
        section: the runner and its options; by default inside this process.

    Raises:
        ConfigError: if Beam has no such option.
    """
    return beam.Pipeline(options=PipelineOptions(list(make_args(section))))


def is_in_process(pipeline: beam.Pipeline) -> bool:
    """Whether a pipeline is to run inside this process, or in others of this machine."""
    return isinstance(pipeline.runner, FnApiRunner)


@contextmanager
def telling_errors() -> Iterator[None]:
    """Lets errors of workers, which engines tell as text, be raised here as what they are.

    Raises:
        InputError: if no job server answers.
        GaterankError: what a worker raised.
    """
    try:
        yield
    except grpc.FutureTimeoutError:
        raise InputError("beam.job_endpoint: no job server answers there") from None
    except RuntimeError as error:
        raise _find_worker_error(str(error)) or error from None


def _find_worker_error(text: str) -> GaterankError | None:
    """The first of gaterank's own errors in the story that an engine tells of a failed job."""
    for name, message in _WORKER_ERROR.findall(text):
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, GaterankError):
            return kind(message)
    return None


def _option(name: str, value: Option) -> tuple[str, ...]:
    """The words for one option; an empty list has none."""
    if value is True:
        return (f"--{name}",)
    values = value if isinstance(value, tuple) else (value,)
    return tuple(f"--{name}={one}" for one in values)


def _environment(environment: Environment) -> tuple[str, ...]:
    kind = {"container": "DOCKER"}.get(environment.kind, environment.kind.upper())
    config = environment.address or environment.image
    if environment.command is not None:
        config = json.dumps(
            {"command": environment.command, "env": _worker_variables() | environment.variables}
        )
    return (f"--environment_type={kind}", *_option("environment_config", config or ()))


def _worker_variables() -> dict[str, str]:
    """Lets Beam's boot program start the same Python as here, in no environment of its own."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, "/usr/local/bin", "/usr/bin", "/bin"])
    return {"PATH": path, "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1"}


def _check_options(args: tuple[str, ...]) -> None:
    """Refuses what Beam would drop with a warning."""
    options = PipelineOptions(list(args))
    unknown = set(options.get_all_options(retain_unknown_options=True)) - set(
        options.get_all_options()
    )
    if unknown:
        raise ConfigError(f"beam.options: must be options of Beam. Received: {sorted(unknown)}")
