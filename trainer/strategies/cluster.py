"""Who the processes of a training are, as TF_CONFIG tells each of them. Imports no TensorFlow."""

import json
import re
import socket
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from trainer.strategies.options import ClusterSection, ParameterServerOptions
from transforms.errors import ConfigError, InputError
from transforms.section import Section, load_section

VARIABLE = "TF_CONFIG"
Job = Literal["chief", "worker", "ps"]
_ADDRESS = re.compile(r"(?P<host>[^:/\s]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")


class Task(Section):
    """Which process of the cluster this one is.

    Attributes:
        type: its job.
        index: its place in the job's list.
    """

    # Schedulers put more into TF_CONFIG than is asked of them.
    model_config = ConfigDict(extra="ignore")

    type: Job
    index: int = Field(ge=0)


class Cluster(Section):
    """All processes of a training, and which of them this one is.

    Attributes:
        cluster: job -> the addresses, host:port, of its processes.
        task: this process.
    """

    model_config = ConfigDict(extra="ignore")

    cluster: dict[Job, tuple[str, ...]]
    task: Task

    @model_validator(mode="after")
    def _task_is_there(self) -> Self:
        addresses = [address for job in self.cluster.values() for address in job]
        for address in addresses:
            match = _ADDRESS.fullmatch(address)
            if match is None or not 0 < int(match["port"]) < 65_536:
                raise ValueError(f"an address must be host:port. Received: {address!r:.200}")
        if len(set(addresses)) < len(addresses):
            raise ValueError("each process needs an address of its own")
        known = len(self.cluster.get(self.task.type, ()))
        if self.task.index >= known:
            raise ValueError(
                "`task` must be one of the cluster's. "
                f"Received: {self.task.type} {self.task.index} of {known}"
            )
        return self

    @property
    def address(self) -> str:
        """Of this process."""
        return self.cluster[self.task.type][self.task.index]

    @property
    def name(self) -> str:
        """Of this process, for people."""
        return f"{self.task.type} {self.task.index}"

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what the training leaves."""
        return self.task.type == "chief" or (
            "chief" not in self.cluster and self.task.type == "worker" and not self.task.index
        )

    @property
    def index(self) -> int:
        """A number of its own for each process that trains; 0 for the chief."""
        after_chief = self.task.type == "worker" and "chief" in self.cluster
        return self.task.index + after_chief


def read_cluster(options: ClusterSection, environ: Mapping[str, str]) -> Cluster | None:
    """The cluster that TF_CONFIG describes; None if there is none.

    Args:
        options: the strategy that the cluster is for.
        environ: the process's environment.

    Raises:
        ConfigError: if TF_CONFIG does not parse, or is of a cluster for another strategy.

    Example:
        >>> from trainer.strategies.options import MultiWorkerOptions
        >>> options = MultiWorkerOptions(kind="multi_worker")
        >>> task = {"type": "worker", "index": 1}
        >>> config = json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": task})
        >>> read_cluster(options, {"TF_CONFIG": config}).address
        'b:1'
    """
    text = environ.get(VARIABLE, "")
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{VARIABLE}: must be JSON: {error}. Received: {text!r:.200}") from None
    if isinstance(value, dict) and not value.get("cluster"):
        return None  # how schedulers describe a training of one process
    cluster = load_section(Cluster, value, VARIABLE)
    found = {job: len(addresses) for job, addresses in cluster.cluster.items() if addresses}
    if not _fits(options, found):
        rule = (
            "one chief, at least one worker and one ps"
            if isinstance(options, ParameterServerOptions)
            else "workers, and at most one chief, but no ps"
        )
        raise ConfigError(f"{VARIABLE}: {options.kind} needs {rule}. Received: {found}")
    return cluster


def _fits(options: ClusterSection, found: Mapping[Job, int]) -> bool:
    chiefs, workers, servers = (found.get(job, 0) for job in ("chief", "worker", "ps"))
    if isinstance(options, ParameterServerOptions):
        return chiefs == 1 and workers >= 1 and servers >= 1
    return chiefs <= 1 and chiefs + workers >= 1 and not servers


def check_port(cluster: Cluster) -> None:
    """Refuses an address of this process whose port another process listens on.

    TensorFlow would say so in its log only, and its error would not name the port.

    Raises:
        InputError: with the address.
    """
    port = int(cluster.address.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(
                f"{VARIABLE}: the port of {cluster.name} must be free on this machine: "
                f"{error.strerror}. Received: {cluster.address}"
            ) from None
