"""What runs in a container, on an invocation as KFP's launcher writes it."""

import json
from datetime import date
from pathlib import Path

import pytest

from pipeline.kubeflow import entrypoint
from pipeline.kubeflow.paths import to_path
from tests.pipeline.kubeflow_golden import make_config
from transforms.errors import InputError
from transforms.simulator.simulate import simulate
from transforms.spans.days import span_of

SCHEMA = {"instanceSchema": "title: tfx.Schema\ntype: object\n"}
EXAMPLES = {"instanceSchema": "title: tfx.Examples\ntype: object\n"}
REPORT = {"instanceSchema": "title: gaterank.IngestReport\ntype: object\n"}


def artifact(uri: str, kind: dict) -> dict:
    return {"artifacts": [{"name": uri, "uri": uri, "type": kind, "metadata": {}}]}


def run(
    tmp_path: Path,
    executor: str,
    parameters: dict,
    artifacts: str = "paths",
    output: str | None = None,
    **sides: dict,
) -> dict:
    """Runs an executor; what it told the orchestrator."""
    output = output or str(tmp_path / "kfp_outputs" / "output_metadata.json")
    invocation = {
        "inputs": {"parameterValues": parameters, "artifacts": sides.get("inputs", {})},
        "outputs": {"artifacts": sides.get("outputs", {}), "outputFile": output},
    }
    kinds = {int: "NUMBER_INTEGER", str: "STRING"}
    spec = {"parameters": {k: {"parameterType": kinds[type(v)]} for k, v in parameters.items()}}
    entrypoint.main(
        [
            *("--executor_class_path", executor),
            *("--json_serialized_invocation_args", json.dumps(invocation)),
            *("--json_serialized_inputs_spec_args", json.dumps(spec)),
            f"--mounts={tmp_path}",
            f"--artifacts={artifacts}",
        ]
    )
    return json.loads(Path(to_path(output, str(tmp_path))).read_text())


@pytest.mark.parametrize("artifacts", ["paths", "copies"])
@pytest.mark.parametrize(("scheme", "folder"), [("gs", "gcs"), ("s3", "s3"), ("minio", "minio")])
def test_an_artifact_is_written_below_the_mount_and_told_by_its_uri(
    tmp_path, scheme, folder, artifacts
):
    uri = f"{scheme}://bucket/runs/7/schema"
    told = run(
        tmp_path,
        "pipeline.components.curated_schema.CuratedSchema_Executor",
        {"data": make_config().data_config().model_dump_json(), "code_version": "1"},
        artifacts,
        outputs={"schema": artifact(uri, SCHEMA)},
    )
    assert told["artifacts"]["schema"]["artifacts"][0]["uri"] == uri
    assert (tmp_path / folder / "bucket/runs/7/schema/schema.pbtxt").is_file()


def test_what_runs_on_beam_can_read_and_write_by_uris(tmp_path):
    """As on Dataflow; `file://` goes the same way as `gs://`."""
    simulate(tmp_path / "logs", 500, seed=1, days=3)
    config = make_config().data_config()
    found = {}
    for kind in ("paths", "uris"):
        place = tmp_path / kind
        store, root = place / "store", place / "out"
        run(
            place,
            "pipeline.components.log_example_gen.Executor",
            {
                "logs": (tmp_path / "logs").as_uri(),
                "data": config.model_dump_json(),
                "code_version": "1",
                "store": str(store) if kind == "paths" else store.as_uri(),
                "span": span_of(date(2026, 1, 6)),
                "fingerprint": "",
            },
            kind,
            outputs={
                key: artifact(str(root / key) if kind == "paths" else (root / key).as_uri(), schema)
                for key, schema in (("examples", EXAMPLES), ("ingestion", REPORT))
            },
        )
        files = (path for path in root.rglob("*") if path.is_file())
        found[kind] = {str(path.relative_to(root)): path.read_bytes() for path in files}
    assert found["paths"] == found["uris"]
    assert any(name.startswith("examples/Split-eval/") for name in found["uris"])


def test_an_error_that_the_user_can_mend_is_one_message_and_its_exit_code(tmp_path, capsys):
    report = tmp_path / "gcs" / "bucket" / "report"
    report.mkdir(parents=True)
    with pytest.raises(SystemExit) as end:
        run(
            tmp_path,
            "pipeline.components.check_ingest.CheckIngest_Executor",
            {"data": make_config().data_config().model_dump_json(), "code_version": "1"},
            inputs={"ingestion": artifact("gs://bucket/report", REPORT)},
        )
    assert end.value.code == InputError.exit_code
    assert "error: " in capsys.readouterr().err


def test_an_invocation_that_is_no_json_is_refused(capsys):
    names = ("executor_class_path", "json_serialized_invocation_args")
    given = [word for name in names for word in (f"--{name}", "{")]
    with pytest.raises(SystemExit) as end:
        entrypoint.main([*given, "--json_serialized_inputs_spec_args", "{}"])
    assert end.value.code == InputError.exit_code
    assert "must be JSON" in capsys.readouterr().err


def test_what_is_told_is_copied_too_where_it_has_a_uri(tmp_path):
    output = "gs://bucket/runs/7/executor_output.json"
    run(
        tmp_path,
        "pipeline.components.curated_schema.CuratedSchema_Executor",
        {"data": make_config().data_config().model_dump_json(), "code_version": "1"},
        "copies",
        output,
        outputs={"schema": artifact("gs://bucket/runs/7/schema", SCHEMA)},
    )
    folder = tmp_path / "gcs/bucket/runs/7"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert names == {"executor_output.json", "schema", "schema/schema.pbtxt"}


def test_what_fails_leaves_nothing_where_it_would_have_been_copied(tmp_path):
    uri = "gs://bucket/runs/7/schema"
    with pytest.raises(ValueError):
        run(
            tmp_path,
            "pipeline.components.curated_schema.CuratedSchema_Executor",
            {"data": "{}", "code_version": "1"},
            "copies",
            outputs={"schema": artifact(uri, SCHEMA)},
        )
    assert not (tmp_path / "gcs").exists()
