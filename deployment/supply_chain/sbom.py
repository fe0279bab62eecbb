"""Bills of materials in CycloneDX's JSON: what cyclonedx-py reads in a lock, and the licences."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

from deployment.supply_chain.licences import find_licences
from deployment.supply_chain.locks import ROOT, Lock, normal
from transforms.errors import GaterankError

FOLDER = ROOT / "build" / "sbom"
_CHECK = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()) or "") or 0)
"""


def write_sbom(lock: Lock, tools: Path, folder: Path = FOLDER) -> Path:
    """Writes the bill of materials of a lock: each package with version, hashes and licence.

    Args:
        lock: to read.
        tools: folder of the programs.
        folder: gets `NAME.cdx.json`.

    Returns:
        The file.

    Raises:
        GaterankError: if cyclonedx-py ends with an error, or its answer has not all packages.
    """
    command: list[str | Path] = [tools / "cyclonedx-py", "requirements", ROOT / lock.path]
    command += ["--output-reproducible", "--spec-version", "1.6", "--output-format", "JSON"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise GaterankError(f"cyclonedx-py: failed on {lock.path}\n{done.stderr[-2000:]}")
    document = json.loads(done.stdout)
    licences, components = find_licences(lock), document["components"]
    found = {normal(one["name"]): one["version"] for one in components}
    if found != lock.packages():
        different = sorted(set(found.items()) ^ set(lock.packages().items()))
        raise GaterankError(f"{lock.path}: is not what cyclonedx-py reads: {different[:3]}")
    for one in components:
        one["licenses"] = [{"license": {"name": licences[normal(one["name"])]}}]
    document["metadata"]["component"] = {
        "type": "application",
        "bom-ref": "gaterank",
        "name": "gaterank" if lock.name == "gaterank" else f"gaterank-{lock.name}",
        "version": version("gaterank"),
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{lock.name}.cdx.json"
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    checked = subprocess.run([tools / "python", "-c", _CHECK], input=text, text=True)
    if checked.returncode:
        raise GaterankError(f"{path}: must be as CycloneDX's schema says")
    path.write_text(text)
    return path
