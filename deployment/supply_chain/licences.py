"""Which licence each package of a lock has, by the metadata of what is installed."""

import re
import sysconfig
from collections.abc import Mapping
from email.message import Message
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from deployment.supply_chain.locks import LOCKS, ROOT, Lock, normal
from transforms.errors import GaterankError, InputError

TABLE = ROOT / "docs" / "licences.md"
_LONGEST = 60
# Their metadata says nothing, or nothing that is clear; read in the files of their wheels.
_READ_BY_HAND = {
    "namex": "Apache-2.0",
    "kiwisolver": "BSD-3-Clause",
    "uvloop": "MIT OR Apache-2.0",
}
_NVIDIA = "LicenseRef-NVIDIA-Proprietary"
_VENDORS = {"nvidia-": _NVIDIA}
_SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
}
_COPYLEFT = re.compile(r"\b(?:AGPL|LGPL|GPL|GNU|MPL|EPL|EUPL|CDDL|OSL|SSPL)", re.IGNORECASE)
# What is known to be no obstacle here, as each is used unchanged and as a package of its own.
_NOTES = {
    "MPL": "its own files stay under the MPL; it asks nothing of what uses them",
    "LGPL": "a library that is loaded; whoever hands it on must let others replace it",
    "NVIDIA": "not free: NVIDIA's terms, also on whether an image that has it may be handed on",
}


def licence_of(metadata: Any) -> str:
    """The licence that a package's metadata names.

    Args:
        metadata: its core metadata, as an email's headers.

    Returns:
        An SPDX expression where it can be told, or else the metadata's words; "" for none.
    """
    if expression := metadata.get("License-Expression"):
        return str(expression)
    words = str(metadata.get("License") or "").strip()
    if words.upper() == "UNKNOWN" or "\n" in words or len(words) > _LONGEST:
        words = ""  # the text of the licence itself
    classified = [
        one.rpartition(" :: ")[2]
        for one in metadata.get_all("Classifier") or ()
        if one.startswith("License :: OSI Approved ::")
    ]
    names = [words] if words and words.lower() not in ("bsd", "dual license") else classified
    names = [_SPDX.get(name.lower(), name) for name in names or [words]]
    return " OR ".join(dict.fromkeys(names))


def find_licences(lock: Lock) -> dict[str, str]:
    """Package -> its licence.

    Raises:
        InputError: if the lock is not installed in the environment that is made from it.
        GaterankError: if a package names no licence.
    """
    packages, installed = lock.packages(), _installed(lock)
    found = {}
    for name, version in packages.items():
        if lock.environment is not None and version != installed.get(name, ("", None))[0]:
            raise InputError(f"{lock.path}: must be installed. Missing: {name}=={version}")
        vendor = next((said for start, said in _VENDORS.items() if name.startswith(start)), "")
        metadata = installed[name][1] if name in installed else Message()
        found[name] = _READ_BY_HAND.get(name) or vendor or licence_of(metadata)
        if not found[name]:
            raise GaterankError(f"{name}: its metadata names no licence; read its files")
    return found


def write_table(path: Path = TABLE) -> None:
    """Writes the table of docs/licences.md anew.

    Raises:
        GaterankError: if a package has no licence, or one that was not judged yet.
    """
    lines = [
        "# Licences",
        "",
        "gaterank is under Apache-2.0. The packages that its locks name, by the metadata of what",
        "they install; `make licences` writes this page, and a test compares it with the locks.",
    ]
    every = {lock.name: find_licences(lock) for lock in LOCKS}
    lines += ["", "## With conditions on handing them on", "", *_judged(every)]
    for lock in LOCKS:
        lines += ["", f"## {lock.path}", "", f"For {lock.about}.", ""]
        lines += ["| package | version | licence |", "|---|---|---|"]
        licences = every[lock.name]
        lines += [f"| {name} | {version} | {licences[name]} |" for name, version in
                  sorted(lock.packages().items())]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")


def _judged(every: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The packages with a copyleft, or no free licence, and what that means here."""
    packages: dict[tuple[str, str], list[str]] = {}
    for lock, licences in every.items():
        for name, licence in sorted(licences.items()):
            if _COPYLEFT.search(licence) or licence == _NVIDIA:
                packages.setdefault((lock, licence), []).append(name)
    lines = ["| of | licence | packages | means |", "|---|---|---|---|"]
    for (lock, licence), names in packages.items():
        note = next((note for word, note in _NOTES.items() if word in licence), None)
        if note is None:
            raise GaterankError(f"{names[0]}: must be judged first, as it is under {licence}")
        lines.append(f"| {lock} | {licence} | {', '.join(names)} | {note} |")
    return lines


def _installed(lock: Lock) -> dict[str, tuple[str, Any]]:
    """Package -> its version and its metadata."""
    if lock.environment is None:
        return {}
    if not lock.environment:
        # Not all of sys.path: setuptools puts packages of its own there once it is imported.
        folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    else:
        root = ROOT / lock.environment / "lib"
        folders = [str(folder) for folder in root.glob("python3.*/site-packages")]
    found = distributions(path=folders)
    return {normal(one.metadata["Name"]): (one.version, one.metadata) for one in found}
