"""Which engine Beam runs on: the `beam` section of the YAML."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from transforms.section import Section

_MAX_PORT = 65_535
_MAX_TEXT = 4096

# What fields of the section say, and what would import a module that the YAML names.
_SAID_ELSEWHERE = {
    "runner": "beam.runner",
    "direct_num_workers": "beam.workers",
    "direct_running_mode": "beam.workers",
    "job_endpoint": "beam.job_endpoint",
    "environment_type": "beam.environment",
    "environment_config": "beam.environment",
    "environment_options": "beam.environment",
    "sdk_container_image": "beam.environment",
    "worker_harness_container_image": "beam.environment",
}
_IMPORTS = {"beam_plugin", "beam_plugins", "pickle_library"}


def _check_port(address: str) -> str:
    if not 0 < int(address.rpartition(":")[2]) <= _MAX_PORT:
        raise ValueError(f"the port must be in [1, {_MAX_PORT}]")
    return address


def _check_option(value: Any) -> Any:
    """What a command line can say: nothing else reaches Beam."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    is_list = isinstance(value, list | tuple)
    kinds = str if is_list else (str, int, float)
    fits = [isinstance(v, kinds) and 0 < len(str(v)) <= _MAX_TEXT for v in values]
    if fits and all(fits) and value is not False:
        return values if is_list else value
    raise ValueError(
        f"must be text of at most {_MAX_TEXT} characters, a number, `true`, or a list of texts"
    )


Address = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_.-]{1,255}:[0-9]{1,5}$"), AfterValidator(_check_port)
]
Text = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
OptionName = Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]{0,127}$")]
Option = Annotated[bool | int | float | str | tuple[str, ...], BeforeValidator(_check_option)]
VariableName = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,127}$")]


class Environment(Section):
    """Where an engine's Python workers come from.

    Attributes:
        kind: `loopback`, one worker inside the command that was started, for trying things;
            `process`, started by the engine on each of its machines; `external`, a worker
            pool that runs already; `container`, an image with gaterank in it.
        command: process: Beam's boot program, at the same path on all machines.
        variables: process: environment variables of the workers. By default `PATH` begins
            with the folder of this Python, so the same one must be on all machines.
        address: external: the pool's host and port.
        image: container: its name.
    """

    kind: Literal["loopback", "process", "external", "container"] = "loopback"
    command: Text | None = None
    variables: dict[VariableName, str] = Field({}, max_length=100)
    address: Address | None = None
    image: Text | None = None

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Environment":
        fields = {"command": "process", "address": "external", "image": "container"}
        for field, kind in fields.items():
            if (getattr(self, field) is not None) != (self.kind == kind):
                need = "needs" if self.kind == kind else "has no"
                raise ValueError(f"`kind: {self.kind}` {need} `{field}`")
        if self.variables and self.kind != "process":
            raise ValueError(f"`kind: {self.kind}` has no `variables`")
        return self


class Beam(Section):
    """The `beam` section: what ingestion and TFX's Beam steps run on.

    Attributes:
        runner: `direct`, on this machine; `spark` or `flink`, by a Beam job server;
            `dataflow`.
        workers: direct: processes. Other engines have an option of their own.
        job_endpoint: spark, flink: host and port of the job server; by default
            127.0.0.1:8099, where Beam's job servers listen.
        environment: spark, flink: where Python workers come from, by default `loopback`;
            dataflow: a container, by default Google's.
        options: more options, as Beam or the engine name them: `true` for one without a
            value, a list for one that is said several times.

    Example:
        >>> Beam(runner="flink", options={"parallelism": 8}).options
        {'parallelism': 8}
    """

    runner: Literal["direct", "spark", "flink", "dataflow"] = "direct"
    workers: int = Field(1, ge=1, le=1024)
    job_endpoint: Address | None = None
    environment: Environment | None = None
    options: dict[OptionName, Option] = Field({}, max_length=100)

    @property
    def has_job_server(self) -> bool:
        """Whether jobs go to a Beam job server."""
        return self.runner in ("spark", "flink")

    @model_validator(mode="after")
    def _fits_the_runner(self) -> "Beam":
        if self.workers > 1 and self.runner != "direct":
            raise ValueError(
                f"`workers` is for `runner: direct`; say how many in `options`. "
                f"Received: runner={self.runner}, workers={self.workers}"
            )
        if self.job_endpoint is not None and not self.has_job_server:
            raise ValueError(f"`runner: {self.runner}` has no `job_endpoint`")
        kind = self.environment.kind if self.environment else None
        if kind and not self.has_job_server and (self.runner, kind) != ("dataflow", "container"):
            raise ValueError(f"`runner: {self.runner}` has no `environment: {{kind: {kind}}}`")
        return self

    @model_validator(mode="after")
    def _options_are_free(self) -> "Beam":
        for name in self.options:
            if name in _SAID_ELSEWHERE:
                raise ValueError(f"options.{name}: say it by `{_SAID_ELSEWHERE[name]}`")
            if name in _IMPORTS:
                raise ValueError(f"options.{name}: would load code that is named by a file")
        return self
