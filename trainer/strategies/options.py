"""The typed options of the strategies: `training.strategy`. Imports no TensorFlow."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from trainer.gates.balance_options import choose_section
from transforms.section import Section


class StrategySection(Section):
    """What the options of every strategy have.

    Attributes:
        kind: `one_device`, `mirrored`, `multi_worker`, `parameter_server` or `tpu`; where
            there are no other options, the word stands for the section.
    """

    kind: str


class OneDeviceOptions(StrategySection):
    """The first GPU, or the CPU if there is none."""

    kind: Literal["one_device"] = "one_device"


class MirroredOptions(StrategySection):
    """The GPUs of one machine, each with a copy of the variables and a part of each batch.

    Attributes:
        devices: how many; null for all.
    """

    kind: Literal["mirrored"]
    devices: int | None = Field(None, ge=1, le=1024)


class ClusterSection(StrategySection):
    """What the options of strategies of several processes have.

    Each process learns from TF_CONFIG who it is and who the others are.

    Attributes:
        workers: how many train; on this machine, started with the training and ended with it.
            Needed where there is no TF_CONFIG, and without effect where there is one.
    """

    workers: int | None = Field(None, ge=1, le=64)


class MultiWorkerOptions(ClusterSection):
    """Several machines or processes, each with a copy of the variables; all step together.

    Attributes:
        communication: how gradients are added up: `ring` on the CPU or between machines
            without NCCL, `nccl` between GPUs; `auto` leaves it to TensorFlow.
    """

    kind: Literal["multi_worker"]
    communication: Literal["auto", "ring", "nccl"] = "auto"


class ParameterServerOptions(ClusterSection):
    """Workers that step each by itself; parameter servers keep the only copy of the variables.

    Attributes:
        parameter_servers: how many, of a cluster on this machine.
    """

    kind: Literal["parameter_server"]
    parameter_servers: int = Field(1, ge=1, le=64)


class TpuOptions(StrategySection):
    """The cores of a TPU.

    Attributes:
        address: `local` on a TPU VM, or the name or grpc:// address of a TPU.
    """

    kind: Literal["tpu"]
    address: str = Field("local", min_length=1, max_length=200)


STRATEGIES: dict[str, type[StrategySection]] = {
    "one_device": OneDeviceOptions,
    "mirrored": MirroredOptions,
    "multi_worker": MultiWorkerOptions,
    "parameter_server": ParameterServerOptions,
    "tpu": TpuOptions,
}


def parse_strategy(value: Any) -> StrategySection:
    """The `strategy` section as the options of its kind.

    Args:
        value: a kind, a mapping with `kind`, or options.

    Raises:
        ValueError: if the kind is unknown or an option breaks a rule.

    Example:
        >>> parse_strategy("mirrored")
        MirroredOptions(kind='mirrored', devices=None)
        >>> parse_strategy({"kind": "multi_worker", "workers": 2}).workers
        2
    """
    section = {"kind": value} if isinstance(value, str) else value
    options: StrategySection = choose_section(STRATEGIES, section)
    return options


StrategyOptions = SerializeAsAny[Annotated[StrategySection, BeforeValidator(parse_strategy)]]
