"""Paths of the REST API."""

import pytest

from serving.server.models.registry import ModelRequest
from serving.server.rest.paths import Call, VersionOverflowError, parse_call
from serving.server.status import ServingError


@pytest.mark.parametrize(
    ("method", "target", "verb", "model"),
    [
        ("POST", b"/v1/models/m:predict", "predict", ModelRequest("m")),
        ("POST", b"/V1/Models/m/Versions/0012:regress", "regress", ModelRequest("m", 12)),
        ("POST", b"/v1/models/m/labels/a%2Fb:classify", "classify", ModelRequest("m", label="a/b")),
        ("GET", b"/v1/models/m", "status", ModelRequest("m")),
        ("GET", b"/v1/models", "status", ModelRequest("")),
        ("GET", b"/v1/models/m/versions/3/metadata", "metadata", ModelRequest("m", 3)),
        ("GET", b"/v1/models/m/METADATA", "status", ModelRequest("m")),
        ("GET", b"/v1/models/metadata", "status", ModelRequest("metadata")),
        ("GET", b"/v1/models/%zz", "status", ModelRequest("%zz")),
        ("GET", b"/v1/models/m?x=1", "status", ModelRequest("m?x=1")),
    ],
)
def test_a_path_names_an_operation_and_a_model(
    method: str, target: bytes, verb: str, model: ModelRequest
) -> None:
    assert parse_call(method, target) == Call(verb, model)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", b"/v1/models/m"),
        ("POST", b"/v1/models/m:PREDICT"),
        ("POST", b"/v1/models/m:explain"),
        ("POST", b"/v1/models/m/versions/x:predict"),
        ("POST", b"/v1/models/m/versions/1/labels/a:predict"),
        ("GET", b"/v1/models/m:predict"),
        ("GET", b"/v1/models/"),
        ("POST", b"/v1/models/m:predict?x=1"),
        ("GET", b"/v1/models/a/../../etc/passwd"),
        ("PUT", b"/v1/models/m"),
    ],
)
def test_any_other_path_is_malformed(method: str, target: bytes) -> None:
    with pytest.raises(ServingError) as raised:
        parse_call(method, target)
    assert raised.value.message == f"Malformed request: {method} {target.decode()}"


@pytest.mark.parametrize("digits", [str(2**63).encode(), b"9" * 5000], ids=["2**63", "long"])
def test_a_version_beyond_63_bits_overflows(digits: bytes) -> None:
    with pytest.raises(VersionOverflowError):
        parse_call("GET", b"/v1/models/m/versions/" + digits)
