"""Known weaknesses of the locks' packages, by pip-audit."""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

from deployment.supply_chain.locks import ROOT, Lock
from transforms.errors import GaterankError


class Weakness(NamedTuple):
    """A weakness that is known of a locked version.

    Attributes:
        package: its name.
        version: of it.
        id: of the weakness.
        fixed: the versions without it.
    """

    package: str
    version: str
    id: str
    fixed: tuple[str, ...]


def audit(lock: Lock, tools: Path, service: str) -> list[Weakness]:
    """Asks a database about every package of a lock.

    pip-audit itself ends well if it could ask about none of them; here that is an error.

    Args:
        lock: to look at.
        tools: folder of the programs.
        service: `pypi` or `osv`.

    Raises:
        GaterankError: if the database cannot be reached, or does not know a package.
    """
    command: list[str | Path] = [
        tools / "pip-audit",
        "--requirement",
        ROOT / lock.path,
        "--no-deps",
        "--disable-pip",
    ]
    command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = done.stderr.strip().rpartition("\n")[2][-500:]
        raise GaterankError(f"{lock.path}: {service} cannot be asked: {reason}") from None
    skipped = [one for one in answers if "skip_reason" in one]
    if skipped or not answers:
        reason = skipped[0]["skip_reason"] if skipped else "no answer"
        raise GaterankError(
            f"{lock.path}: {service} must know all packages. It does not know {len(skipped)} of "
            f"{len(answers)}: {reason}"
        )
    return [
        Weakness(one["name"], one["version"], found["id"], tuple(found["fix_versions"]))
        for one in answers
        for found in one["vulns"]
    ]
