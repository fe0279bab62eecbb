"""ReportGates: the run's page for people, also when the model was refused."""

import json
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, standard_artifacts
from tfx.utils import path_utils

from pipeline.artifacts import GateReport, IngestReport
from pipeline.components.check_anomalies import anomalies_as_json
from pipeline.components.evaluate_ranker import FIGURES_FILE, PRUNING_FILE
from pipeline.config import RankerConfig
from pipeline.report.inputs import ReportInputs
from pipeline.report.render import write_report
from trainer.export.save import MANIFEST_FILE
from trainer.run_fn import TRAINING_FILE
from transforms.ingest.counting.counts import COUNTS_FILE
from transforms.rolling.window import SPANS_FILE
from transforms.simulator.truth import TRUTH_FILE

_PACKAGES = ("gaterank", "tfx", "tensorflow", "apache-beam", "tensorflow-transform")


@component
def ReportGates(  # noqa: N802
    ingestion: InputArtifact[IngestReport],
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    candidate_run: InputArtifact[standard_artifacts.ModelRun],
    baseline_run: InputArtifact[standard_artifacts.ModelRun],
    model: InputArtifact[standard_artifacts.Model],
    baseline_model: InputArtifact[standard_artifacts.Model],
    evaluation: InputArtifact[standard_artifacts.ModelEvaluation],
    pushed_model: InputArtifact[standard_artifacts.PushedModel],
    report: OutputArtifact[GateReport],
    ranker: Parameter[str],
    logs: Parameter[str],
    code_version: Parameter[str],
) -> None:
    """Writes `report.html`, and the figures in it as JSON.

    Args:
        ingestion: counts and dead letters.
        anomalies: of ExampleValidator.
        candidate_run: the candidate's record of training.
        baseline_run: the baseline's.
        model: the candidate.
        baseline_model: the baseline.
        evaluation: figures of the evaluation.
        pushed_model: where the candidate went, if anywhere.
        report: the page.
        ranker: `RankerConfig` as JSON.
        logs: folder of the log files, where a simulator leaves its truth.
        code_version: of the code.
    """
    config = RankerConfig.model_validate_json(ranker)
    artifacts = (ingestion, model, baseline_model, evaluation, pushed_model)
    document = {
        "name": config.name,
        "candidate": _read(Path(candidate_run.uri) / TRAINING_FILE),
        "baseline": _read(Path(baseline_run.uri) / TRAINING_FILE),
        "export": _read(_manifest(model)) | _read(Path(evaluation.uri) / PRUNING_FILE),
        "baseline_export": _read(_manifest(baseline_model)),
        "figures": _read(Path(evaluation.uri) / FIGURES_FILE),
        "counts": _read(Path(ingestion.uri) / COUNTS_FILE),
        "anomalies": anomalies_as_json(anomalies),
        "lineage": _lineage(config, _data(config, logs, ingestion), code_version, artifacts),
        "truth": _read_if_there(Path(logs) / TRUTH_FILE),
        "pushed": _pushed(pushed_model),
    }
    write_report(ReportInputs.model_validate(document), Path(report.uri))


def _manifest(model: Artifact) -> Path:
    return Path(path_utils.serving_model_path(model.uri)) / MANIFEST_FILE


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def _read_if_there(path: Path) -> dict[str, Any] | None:
    return _read(path) if path.is_file() else None


def _pushed(artifact: Artifact) -> dict[str, str] | None:
    if not artifact.get_int_custom_property("pushed"):
        return None
    return {
        "version": artifact.get_string_custom_property("pushed_version"),
        "path": artifact.get_string_custom_property("pushed_destination"),
    }


def _data(config: RankerConfig, logs: str, ingestion: Artifact) -> dict[str, Any]:
    data: dict[str, Any] = {"logs": logs, "adapter": config.logs.adapter}
    spans = Path(ingestion.uri) / SPANS_FILE
    if spans.is_file():
        found = (f"{span['date']} v{span['version']}" for span in json.loads(spans.read_text()))
        data["spans"] = ", ".join(found)
    return data


def _lineage(
    config: RankerConfig, data: dict[str, Any], code_version: str, artifacts: tuple[Artifact, ...]
) -> dict[str, Any]:
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": data,
        "code_version": code_version,
        "config_yaml": yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
        "tfx": {package: metadata.version(package) for package in _PACKAGES},
        "artifacts": [
            {"type": artifact.type_name, "id": artifact.id, "uri": artifact.uri}
            for artifact in artifacts
        ],
    }
