"""Which models are served, which of their versions, and under which labels."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving.server.status import Code, ServingError, invalid_argument

TENSORFLOW = "tensorflow"
_MAX_VERSION = 2**63 - 1
_VERSION = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Latest:
    """Serves the `count` versions with the highest numbers."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class All:
    """Serves every version."""


@dataclass(frozen=True, slots=True)
class Specific:
    """Serves the versions named."""

    versions: frozenset[int]


Policy = Latest | All | Specific


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model.

    Attributes:
        name: in requests.
        base_path: the folder of numbered versions.
        policy: which of them are served.
        labels: label -> version.
        platform: what runs it; only `tensorflow` is known.
    """

    name: str
    base_path: Path
    policy: Policy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = TENSORFLOW


def find_versions(base_path: Path) -> dict[int, Path]:
    """The numbered folders, whatever they hold.

    Args:
        base_path: of the model.

    Returns:
        Version -> folder; of `7` and `007` the last in order of names.

    Raises:
        OSError: if the folder cannot be listed.
    """
    names = sorted(path.name for path in base_path.iterdir() if path.is_dir())
    return {
        int(name): base_path / name
        for name in names
        if _VERSION.fullmatch(name) and int(name) <= _MAX_VERSION
    }


def choose_versions(policy: Policy, versions: Iterable[int]) -> frozenset[int]:
    """The versions to serve of those that exist.

    Example:
        >>> sorted(choose_versions(Latest(2), [1, 5, 3]))
        [3, 5]
    """
    match policy:
        case Latest(count=count):
            return frozenset(sorted(versions)[-count:])
        case Specific(versions=wanted):
            return wanted & frozenset(versions)
    return frozenset(versions)


def check_configs(configs: Iterable[ModelConfig]) -> None:
    """Refuses models that cannot be served together.

    Raises:
        ServingError: INVALID_ARGUMENT on a name used twice, a relative path or an unknown
            platform.
    """
    names: set[str] = set()
    for config in configs:
        if config.name in names:
            raise invalid_argument(
                f"Illegal to list model {config.name} multiple times in config list"
            )
        names.add(config.name)
        if not config.base_path.is_absolute():
            raise invalid_argument(
                f"Expected model {config.name} to have an absolute path or URI; "
                f"got base_path()={config.base_path}"
            )
        if not config.platform:
            raise invalid_argument(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                f"ModelServerConfig::model_platform, model name is {config.name}"
            )
        if config.platform != TENSORFLOW:
            raise invalid_argument(
                f"Model {config.name} requests unsupported platform {config.platform}"
            )


def refuse_reload(_: Sequence[ModelConfig]) -> None:
    """Stands for a reload where only the server's operator may change the models.

    Raises:
        ServingError: PERMISSION_DENIED, always.
    """
    raise ServingError(
        Code.PERMISSION_DENIED, "The models of this server are changed by its operator only"
    )
