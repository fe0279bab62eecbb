"""Secrets in a configuration are refused, and never shown."""

import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli.main import cli
from pipeline.config import load_config
from tests.pipeline.tiny import tiny_document
from transforms.errors import ConfigError, InputError
from transforms.secrets import find_secret
from transforms.storage import locate

S = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"s3://AKID:{S}@bucket/logs",
        f"s3://{S}@bucket/logs",
        f"https://user:{S}@host/x",
        f"--conf=spark.jdbc=jdbc:postgresql://u:{S}@db/x",
        f"s3://key:sla/sh{S}@bucket/logs",
        f"hdfs://user:{S}@namenode:9000/logs",
        f"abfss://user:{S}@account/logs",
        f"https://x.blob.core.windows.net/logs?sv=2024&sig={S}",
        f"s3://bucket/logs?secret_key={S}",
        f"s3://bucket?region=eu&session_token={S}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{S}",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_a_secret_is_found(text):
    assert S not in find_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "gs://logs/days",
        "s3://bucket/a@b/c:d",
        "s3://bucket?region=eu-west-1&endpoint_override=http://[::1]:9000",
        "http://localhost:9000/x",
        "http://[::1]/x",
        "hdfs://user@namenode:9000/logs",
        "abfss://container@account.dfs.core.windows.net/logs",
        "user:password@host",
        "the tokenizer's design = signed",
        "*/{YYYY}-{MM}-{DD}/*",
    ],
)
def test_what_is_no_secret_passes(text):
    assert find_secret(text) is None


def test_a_hostile_text_is_read_in_no_time():
    start = time.monotonic()
    for text in ("a" * 10**6, "a://" * 10**5, "a://?" + "&x" * 10**5, "a://" + "?sig" * 10**5):
        find_secret(text)
    assert time.monotonic() - start < 5


def write(folder: Path, section: str, value: object) -> Path:
    document = tiny_document()
    place = document
    *parents, last = section.split(".")
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    path = folder / "ranker.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize(
    ("section", "value", "place"),
    [
        ("logs.path", f"s3://key:{S}@bucket/logs", "logs.path"),
        ("beam.options", {"s3_secret_access_key": S}, "beam.options.s3_secret_access_key"),
        ("beam.options", {"spark_conf": ["a=b", f"jdbc://u:{S}@h"]}, "beam.options.spark_conf"),
        ("beam.options", {"api_key": 47114711}, "beam.options.api_key"),
        ("beam.environment", {"variables": {"DB_PASSWORD": S}}, "variables.DB_PASSWORD"),
        ("nothing", {f"https://u:{S}@host": 1}, "nothing.a key"),
        ("tasks.click.label", [[{"x": f"https://u:{S}@host"}]], "tasks.click.label.x"),
    ],
)
def test_a_configuration_with_a_secret_is_refused_by_its_place_only(
    section, value, place, tmp_path
):
    with pytest.raises(ConfigError, match="must") as error:
        load_config(write(tmp_path, section, value))
    assert f"{place}: " in str(error.value)
    assert S not in str(error.value) and "4711" not in str(error.value)


@pytest.mark.parametrize(
    "variables", [{"GOOGLE_APPLICATION_CREDENTIALS": "/secrets/key.json"}, {"PATH": "/bin"}]
)
def test_the_file_of_a_secret_may_be_named(variables, tmp_path):
    beam = {
        "runner": "spark",
        "environment": {"kind": "process", "command": "/boot", "variables": variables},
    }
    assert load_config(write(tmp_path, "beam", beam)).beam.environment.variables == variables


def test_a_feature_may_be_called_whatever_its_owner_likes(tmp_path):
    load_config(write(tmp_path, "features.api_token", {"of": "user", "kind": "numeric"}))


def test_a_place_of_the_command_line_has_none_either(tmp_path):
    with pytest.raises(InputError, match=r"s3://...: a URI must have no user") as error:
        locate(f"s3://key:{S}@bucket/logs")
    assert S not in str(error.value)
    path = tmp_path / "ranker.yaml"
    path.write_text(yaml.safe_dump(tiny_document()))
    words = ["ingest", str(path), "--logs", f"s3://key:{S}@bucket/logs", "--out", str(tmp_path)]
    result = CliRunner().invoke(cli, words)
    assert isinstance(result.exception, InputError), result.exception
    assert S not in str(result.exception) + result.output
