"""The locks, and the environments that are made from them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LINE = re.compile(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True)
class Lock:
    """A hashed file of requirements.

    Attributes:
        name: of what is installed by it.
        path: of the file, from the root on.
        about: for whom it is.
        environment: where it is installed, from the root on; "" for the environment that runs
            this, None if it never is here.
    """

    name: str
    path: str
    about: str
    environment: str | None = None

    def packages(self) -> dict[str, str]:
        """Package -> version, by their normal names."""
        return read_lock((ROOT / self.path).read_text())


LOCKS = (
    Lock("gaterank", "requirements.lock", "training and serving", ""),
    Lock(
        "airflow", "deployment/airflow/requirements.lock", "Airflow, by itself",
        "build/airflow/venv",
    ),
    Lock("cuda", "deployment/images/cuda.lock", "the training image for GPUs"),
)  # fmt: skip


def read_lock(text: str) -> dict[str, str]:
    """The packages of a file of requirements.

    Example:
        >>> read_lock("Tf_Keras==2.21.0 --hash=sha256:47\\nuvicorn[standard]==0.40\\n")
        {'tf-keras': '2.21.0', 'uvicorn': '0.40'}
    """
    return {normal(name): version for name, version in _LINE.findall(text)}


def normal(name: str) -> str:
    """A package's name as PyPI compares it."""
    return _SEPARATORS.sub("-", name).lower()
