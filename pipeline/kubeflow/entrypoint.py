"""What runs in the container of a component: TFX's own entry point, on the paths of artifacts.

    python -m pipeline.kubeflow.entrypoint --executor_class_path ... \
        --json_serialized_invocation_args ... --json_serialized_inputs_spec_args ... [for Beam]

TFX's entry point gives executors the URIs of artifacts, knows no artifact types but its own,
imports TensorFlow before anyone could say which Keras, and makes no folders. The rest is its work.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# First of all: it selects Keras 2 before TensorFlow is imported.
import transforms  # noqa: F401
from pipeline.artifacts import GateReport, IngestReport
from pipeline.kubeflow.paths import to_path
from transforms.errors import GaterankError, InputError

ARTIFACTS = ("paths", "copies", "uris")
"""How an executor is given artifacts: by the paths where a launcher copies them from and to; what
it writes on a disk of its own first, where a bucket is mounted that is none; or by their URIs."""

_INVOCATION = "json_serialized_invocation_args"
_VALUES = ("tfx.String", "tfx.Integer", "tfx.Float", "tfx.Boolean", "tfx.JsonValue")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a component; an error that the user can mend is one message and an exit code."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("executor_class_path", _INVOCATION, "json_serialized_inputs_spec_args"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--artifacts", choices=ARTIFACTS, default="paths")
    parser.add_argument("--mounts", default="/", help="where the folders gcs, s3 and minio are")
    options, beam_args = parser.parse_known_args(argv)
    try:
        _run(options, beam_args)
    except GaterankError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def _run(options: argparse.Namespace, beam_args: list[str]) -> None:
    from tfx.orchestration.kubeflow.v2 import compiler_utils
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
    from tfx.utils import name_utils

    for kind in (IngestReport, GateReport):
        compiler_utils.TITLE_TO_CLASS_PATH[kind.TYPE_NAME] = name_utils.get_full_name(kind)
    try:
        invocation = json.loads(getattr(options, _INVOCATION))
    except ValueError as error:
        raise InputError(f"--{_INVOCATION}: must be JSON: {error}") from None
    with tempfile.TemporaryDirectory() as scratch:
        out = scratch if options.artifacts == "copies" else options.mounts
        uris = localise(invocation, options.mounts, out) if options.artifacts != "uris" else {}
        _make_folders(invocation)
        setattr(options, _INVOCATION, json.dumps(invocation))
        kubeflow_v2_run_executor.main((options, beam_args))
        if uris:
            _name_by_uri(Path(invocation["outputs"]["outputFile"]), uris)
        for path, uri in uris.items():
            _copy(Path(path), Path(to_path(uri, options.mounts)))


def localise(invocation: dict[str, Any], mounts: str = "/", out: str = "/") -> dict[str, str]:
    """Puts paths in place of the URIs of all artifacts.

    Args:
        invocation: KFP's ExecutorInput, as JSON; changed in place.
        mounts: see `to_path`, for what is read.
        out: the same, for what is written.

    Returns:
        Path -> URI of what is written, and of what TFX's entry point says of it.

    Example:
        >>> model = {"uri": "gs://bucket/model"}
        >>> localise({"outputs": {"artifacts": {"model": {"artifacts": [model]}}}}, out="/scratch")
        {'/scratch/gcs/bucket/model': 'gs://bucket/model'}
        >>> model
        {'uri': '/scratch/gcs/bucket/model'}
    """
    for artifact in _artifacts(invocation, "inputs"):
        artifact["uri"] = to_path(artifact["uri"], mounts)
    uris = {}
    for artifact in _artifacts(invocation, "outputs"):
        path = to_path(artifact["uri"], out)
        uris[path] = artifact["uri"]
        artifact["uri"] = path
    output = invocation["outputs"].get("outputFile")
    if output is not None:
        # The last of all: whoever finds it finds the artifacts.
        path = to_path(output, out)
        uris[path] = output
        invocation["outputs"]["outputFile"] = path
    return uris


def _artifacts(invocation: dict[str, Any], side: str) -> list[dict[str, Any]]:
    lists = invocation.get(side, {}).get("artifacts", {}).values()
    return [artifact for one in lists for artifact in one.get("artifacts", ())]


def _make_folders(invocation: dict[str, Any]) -> None:
    """Makes the folders of outputs, as TFX's own orchestrators do; a value's is a file."""
    for artifact in _artifacts(invocation, "outputs"):
        if "://" in artifact["uri"]:
            continue
        path = Path(artifact["uri"])
        kind = artifact["type"]
        title = kind.get("schemaTitle") or kind.get("instanceSchema", "").partition("\n")[0]
        is_value = title.removeprefix("title: ") in _VALUES
        (path.parent if is_value else path).mkdir(parents=True, exist_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copies files as they are, in place: in a bucket a rename would be another copy.

    And no times or modes, which a mounted bucket may refuse.
    """
    if source == target:
        return
    for path in [source, *source.rglob("*")]:
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _name_by_uri(output_file: Path, uris: dict[str, str]) -> None:
    """Puts the URIs back into what TFX's entry point wrote for the orchestrator."""
    output = json.loads(output_file.read_text())
    for one in output.get("artifacts", {}).values():
        for artifact in one["artifacts"]:
            artifact["uri"] = uris.get(artifact["uri"], artifact["uri"])
    output_file.write_text(json.dumps(output))


if __name__ == "__main__":
    main()
