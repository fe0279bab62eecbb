"""The history travels with the model, and scoring finds it there."""

from types import SimpleNamespace

import pytest

from pipeline import stages
from pipeline.components.package_model import package_model
from serving.bulk_scoring.scorer import history_path, latest_version


class NoScorer:
    def __init__(self, model_dir, keys=None):
        self.model_dir = latest_version(model_dir)

    def check_fits(self, config):
        pass


def make_model(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"model")
    return folder


@pytest.mark.parametrize("has_history", [True, False])
def test_the_package_is_the_model_and_the_history_if_there_is_one(tmp_path, has_history):
    model, target = make_model(tmp_path / "model"), tmp_path / "packaged"
    report = tmp_path / "ingestion"
    report.mkdir()
    if has_history:
        (report / "history.parquet").write_bytes(b"known")
        (report / "spans.json").write_text("[]")
    package_model(model, report, target)
    assert (target / "saved_model.pb").read_bytes() == b"model"
    known = target / "assets.extra" / "history.parquet"
    assert known.is_file() == has_history
    assert known.with_name("spans.json").is_file() == has_history
    assert not has_history or known.read_bytes() == b"known"


@pytest.mark.parametrize("has_history", [True, False])
def test_scoring_starts_from_the_history_of_the_latest_version(tmp_path, monkeypatch, has_history):
    make_model(tmp_path / "1")
    latest = make_model(tmp_path / "2")
    if has_history:
        history_path(latest).parent.mkdir()
        history_path(latest).write_bytes(b"known")
    asked = []
    monkeypatch.setattr(stages, "ingest_logs", lambda *args, every_split: asked.append(args))
    monkeypatch.setattr(stages, "_score_files", lambda *_: 7)
    monkeypatch.setattr("serving.bulk_scoring.scorer.ExampleScorer", NoScorer)
    config = SimpleNamespace(data_config=lambda: None)
    assert stages.score_logs(tmp_path, config, None, tmp_path / "out.parquet") == 7
    assert asked[0][3] == (history_path(latest) if has_history else None)
