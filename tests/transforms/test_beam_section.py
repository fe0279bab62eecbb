"""The `beam` section: what is refused, and which options Beam gets."""

import copy
import json
import sys
from pathlib import Path

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from transforms.beam import Beam
from transforms.engine import make_args, make_pipeline, make_tfx_args, telling_errors
from transforms.errors import ConfigError, DiskFullError, GaterankError, InputError
from transforms.listing import list_files
from transforms.section import Section, load_section

SPARK = {
    "runner": "spark",
    "job_endpoint": "spark.lan:8099",
    "environment": {"kind": "process", "command": "/opt/boot", "variables": {"PYTHONPATH": "/x"}},
    "options": {"files_to_stage": "/a.jar", "environment_cache_millis": 300000},
}


class Whole(Section):
    """As the YAML has it."""

    beam: Beam


def spark(**changes) -> dict:
    return {**copy.deepcopy(SPARK), **changes}


def test_the_default_is_one_worker_in_this_process():
    runner, workers = make_args(Beam())
    assert runner.endswith(".FnApiRunner") and workers == "--direct_num_workers=1"


def test_several_workers_of_the_direct_runner_are_processes():
    args = make_args(Beam(workers=3))
    assert args[1:] == ("--direct_num_workers=3", "--direct_running_mode=multi_processing")


@pytest.mark.parametrize("runner", ["spark", "flink"])
def test_a_job_server_gets_the_job_its_options_and_the_workers_environment(runner):
    runner, endpoint, _, environment, config, *own = make_args(Beam(**spark(runner=runner)))
    assert (runner, endpoint) == ("--runner=PortableRunner", "--job_endpoint=spark.lan:8099")
    assert environment == "--environment_type=PROCESS"
    process = json.loads(config.removeprefix("--environment_config="))
    assert process["command"] == "/opt/boot" and process["env"]["PYTHONPATH"] == "/x"
    assert process["env"]["PATH"].startswith(f"{Path(sys.executable).parent}:")
    assert own == ["--files_to_stage=/a.jar", "--environment_cache_millis=300000"]


@pytest.mark.parametrize(
    ("environment", "args"),
    [
        (None, ("--environment_type=LOOPBACK",)),
        ({"kind": "loopback"}, ("--environment_type=LOOPBACK",)),
        (
            {"kind": "external", "address": "pool:50000"},
            ("--environment_type=EXTERNAL", "--environment_config=pool:50000"),
        ),
        (
            {"kind": "container", "image": "gaterank:1"},
            ("--environment_type=DOCKER", "--environment_config=gaterank:1"),
        ),
    ],
)
def test_workers_come_from_where_the_section_says(environment, args):
    section = Beam(runner="flink", environment=environment)
    assert make_args(section)[1] == "--job_endpoint=127.0.0.1:8099"
    assert make_args(section)[3:] == args


def test_dataflow_gets_its_image_and_its_options():
    options = {"project": "p", "temp_location": "gs://b/t", "no_use_public_ips": True}
    section = Beam(
        runner="dataflow", environment={"kind": "container", "image": "g:1"}, options=options
    )
    assert make_args(section) == (
        "--runner=DataflowRunner",
        "--sdk_container_image=g:1",
        "--project=p",
        "--temp_location=gs://b/t",
        "--no_use_public_ips",
    )


def test_an_option_that_is_said_several_times_is_a_list():
    section = Beam(runner="spark", options={"experiments": ["a", "b"]})
    assert make_args(section)[-2:] == ("--experiments=a", "--experiments=b")


def test_beam_understands_every_word():
    section = Beam(**spark(options={"job_server_timeout": 7}))
    options = PipelineOptions(list(make_args(section))).view_as(PortableOptions)
    assert options.job_server_timeout == 7
    assert options.job_endpoint == "spark.lan:8099"
    assert options.environment_type == "PROCESS"
    assert json.loads(options.environment_config)["command"] == "/opt/boot"


def test_tfx_sends_no_package_of_its_own_to_workers_that_have_it():
    assert make_tfx_args(Beam()) == make_args(Beam())
    added = make_tfx_args(Beam(**SPARK))[len(make_args(Beam(**SPARK))) :]
    assert added == ("--sdk_container_image=unused", "--beam_plugin=tfx")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"runner": "prism"}, "beam.runner: Input should be 'direct', 'spark'"),
        ({"workers": 0}, "beam.workers: Input should be greater than or equal to 1"),
        (spark(workers=2), "beam: `workers` is for `runner: direct`.*runner=spark, workers=2"),
        ({"job_endpoint": "h:1"}, "beam: `runner: direct` has no `job_endpoint`"),
        (spark(job_endpoint="h"), "beam.job_endpoint: String should match"),
        (spark(job_endpoint="h:65536"), r"beam.job_endpoint: the port must be in \[1, 65535\]"),
        (spark(job_endpoint="http://h:1"), "beam.job_endpoint: String should match"),
        ({"environment": {}}, "beam: `runner: direct` has no `environment: {kind: loopback}`"),
        (
            {"runner": "dataflow", "environment": {"kind": "loopback"}},
            "beam: `runner: dataflow` has no `environment: {kind: loopback}`",
        ),
        (spark(environment={"kind": "process"}), "environment: `kind: process` needs `command`"),
        (
            spark(environment={"kind": "external"}),
            "beam.environment: `kind: external` needs `address`",
        ),
        (
            spark(environment={"kind": "loopback", "image": "i"}),
            "beam.environment: `kind: loopback` has no `image`",
        ),
        (
            spark(environment={"variables": {"A": "b"}}),
            "beam.environment: `kind: loopback` has no `variables`",
        ),
        (
            spark(environment={"kind": "process", "command": "c", "variables": {"a b": "c"}}),
            "beam.environment.variables.a b",
        ),
        ({"options": {"runner": "os.system"}}, "options.runner: say it by `beam.runner`"),
        ({"options": {"beam_plugins": "os"}}, "options.beam_plugins: would load code"),
        ({"options": {"--project": "p"}}, "beam.options.--project"),
        ({"options": {"project": {"a": 1}}}, "beam.options.project: must be text of at most 4096"),
        ({"options": {"project": ["p", 1]}}, "beam.options.project: must be text"),
        ({"options": {"project": []}}, "beam.options.project: must be text"),
        ({"options": {"project": ""}}, "beam.options.project: must be text"),
        ({"options": {"project": None}}, "beam.options.project: must be text"),
        ({"options": {"project": False}}, "beam.options.project: must be text"),
        ({"options": {"project": "x" * 4097}}, "beam.options.project: must be text"),
        ({"options": {f"o{n}": 1 for n in range(101)}}, "beam.options: Dictionary should have at"),
    ],
)
def test_a_wrong_section_is_refused_with_the_field_and_the_rule(section, message):
    with pytest.raises(ConfigError, match=message):
        load_section(Whole, {"beam": section}, "ranker.yaml")


@pytest.mark.parametrize("runner", ["direct", "dataflow"])
def test_an_option_that_beam_would_drop_with_a_warning_is_refused(runner):
    section = Beam(runner=runner, options={"projekt": "p"})
    with pytest.raises(ConfigError, match=r"must be options of Beam. Received: \['projekt'\]"):
        make_args(section)


def test_what_is_written_is_read_as_the_same_section():
    section = Beam(**spark(options={"a": True, "b": 1, "c": 0.5, "d": "x", "e": ["y"]}))
    assert Beam.model_validate_json(section.model_dump_json()) == section


def test_an_error_of_a_worker_is_raised_as_what_it_is():
    with (
        pytest.raises(InputError, match=r"^logs: must be a folder. Received: '/nowhere'"),
        telling_errors(),
        make_pipeline(Beam()) as pipeline,
    ):
        _ = pipeline | beam.Create(["/nowhere"]) | beam.Map(list_files)


def test_an_error_that_an_engine_tells_as_text_is_raised_as_what_it_is():
    story = (
        "Pipeline x failed in state FAILED: java.lang.RuntimeException: Error received\n"
        'Traceback (most recent call last):\n  File "a.py", line 1, in b\n'
        "transforms.errors.DiskFullError: /out: cannot be written [while running 'Write']\n\n\tat"
    )
    with pytest.raises(DiskFullError, match=r"^/out: cannot be written"), telling_errors():
        raise RuntimeError(story)


@pytest.mark.parametrize("story", ["java.io.IOException", "transforms.errors.DISK_IS_FULL: no"])
def test_what_is_no_error_of_gateranks_is_left_alone(story):
    with pytest.raises(RuntimeError, match=story) as caught, telling_errors():
        raise RuntimeError(story)
    assert not isinstance(caught.value, GaterankError)


def test_a_job_server_that_does_not_answer_is_one_message():
    with pytest.raises(InputError, match=r"^beam.job_endpoint: no job server"), telling_errors():
        raise grpc.FutureTimeoutError
