"""What the locks name: each package has a licence, a line in the SBOM, and an audit that asked."""

import json
import re
from email import message_from_string
from pathlib import Path

import pytest

from deployment.supply_chain.audit import Weakness, audit
from deployment.supply_chain.licences import TABLE, find_licences, licence_of, write_table
from deployment.supply_chain.locks import LOCKS, ROOT, Lock, read_lock
from deployment.supply_chain.sbom import write_sbom
from transforms.errors import GaterankError

GATERANK, AIRFLOW, CUDA = LOCKS
TOOLS = ROOT / "build" / "supply_chain" / "venv" / "bin"
ROW = re.compile(r"(?m)^\| (\S+) \| (\S+) \| (.+) \|$")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_the_table_has_every_package_of_the_lock_with_its_version_and_a_licence(lock):
    _, _, section = TABLE.read_text().partition(f"\n## {lock.path}\n")
    rows = ROW.findall(section.partition("\n## ")[0])
    assert {name: version for name, version, _ in rows if name != "package"} == lock.packages()


def test_the_licences_of_the_table_are_those_of_what_is_installed():
    licences = find_licences(GATERANK)
    _, _, section = TABLE.read_text().partition(f"\n## {GATERANK.path}\n")
    rows = {name: said for name, _, said in ROW.findall(section.partition("\n## ")[0])}
    assert licences == {name: rows[name] for name in licences}


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT\nLicense: BSD", "MIT"),
        ("License: Apache 2.0", "Apache-2.0"),
        (f"License: {'long ' * 40}\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: ISC License (ISCL)", "ISC"),
        ("Classifier: License :: DFSG approved\nName: x", ""),
        ("License: GPL-3.0", "GPL-3.0"),
    ],
)
def test_a_licence_is_told_from_the_metadata(metadata, licence):
    assert licence_of(message_from_string(metadata)) == licence


def test_a_licence_that_nobody_judged_stops_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "deployment.supply_chain.licences.find_licences",
        lambda lock: dict.fromkeys(lock.packages(), "GPL-3.0-only"),
    )
    with pytest.raises(GaterankError, match=r"must be judged first, as it is under GPL-3.0-only"):
        write_table(tmp_path / "table.md")


def test_the_tools_are_not_among_what_they_look_at():
    tools = read_lock((ROOT / "deployment/supply_chain/requirements.lock").read_text())
    assert {"cyclonedx-bom", "pip-audit"} <= set(tools)
    for lock in LOCKS:
        assert not {"cyclonedx-bom", "pip-audit"} & set(lock.packages())


def make_tool(folder: Path, name: str, answer: str, code: int = 0) -> Path:
    (folder / "answer").write_text(answer)
    tool = folder / name
    tool.write_text(f"#!/bin/sh\ncat {folder}/answer\nexit {code}\n")
    tool.chmod(0o755)
    return folder


def answers(*more: dict) -> str:
    return json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": []}, *more]})


def test_weaknesses_are_told(tmp_path):
    weak = {"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": []}
    told = answers({"name": "b", "version": "2", "vulns": [weak]})
    tools = make_tool(tmp_path, "pip-audit", told, code=1)
    assert audit(GATERANK, tools, "pypi") == [Weakness("b", "2", "PYSEC-1", ("2.1",))]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (answers({"name": "b", "skip_reason": "not found"}), "does not know 1 of 2: not found"),
        ('{"dependencies": []}', "no answer"),
        ("", "cannot be asked"),
    ],
)
def test_an_audit_that_asked_nobody_is_none(answer, message, tmp_path):
    with pytest.raises(GaterankError, match=message):
        audit(GATERANK, make_tool(tmp_path, "pip-audit", answer), "pypi")


def test_a_bill_that_lacks_a_package_is_none(tmp_path):
    bill = json.dumps({"components": [{"name": "absl-py", "version": "2.5.1"}], "metadata": {}})
    with pytest.raises(GaterankError, match="is not what cyclonedx-py reads"):
        write_sbom(GATERANK, make_tool(tmp_path, "cyclonedx-py", bill), tmp_path)


@pytest.mark.skipif(not TOOLS.is_dir(), reason="no cyclonedx-py: `make sbom` gets it")
@pytest.mark.parametrize("lock", [GATERANK, CUDA], ids=lambda lock: lock.name)
def test_a_bill_has_every_package_with_hashes_and_licence(lock: Lock, tmp_path):
    document = json.loads(write_sbom(lock, TOOLS, tmp_path).read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    found = {one["purl"]: one for one in document["components"]}
    assert len(found) == len(lock.packages())
    for name, version in lock.packages().items():
        (one,) = (found[purl] for purl in found if purl.startswith(f"pkg:pypi/{name}@{version}"))
        assert one["licenses"]
        assert [hash for ref in one["externalReferences"] for hash in ref["hashes"]]
