"""Where and how a figure was made."""

import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path


def machine(*packages: str) -> str:
    """Processor, cores, Python and the versions of `packages`.

    Example:
        >>> "NumPy" in machine("NumPy")
        True
    """
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    versions = [f"{package} {version(package)}" for package in packages]
    python = f"Python {platform.python_version()}"
    return ", ".join([processor, f"{os.cpu_count()} cores", python, *versions])


def command(target: str, name: str) -> str:
    """The command that runs this program again.

    Args:
        target: of the Makefile.
        name: of the program in the target's folder.
    """
    arguments = f' ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""
    return f"make {target} NAME={name}{arguments}"
