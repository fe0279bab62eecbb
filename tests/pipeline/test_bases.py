"""The bases of blessed models by day, and how a run without ML Metadata finds its inputs."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from tfx.types import standard_artifacts

from pipeline.bases import copy_base, keep_bases, newest_bases
from pipeline.components.find_inputs import NO_BASE, find_inputs
from pipeline.components.keep_bases import KeepBases_Executor
from pipeline.components.load_base import load_base
from tests.pipeline.kubeflow_golden import make_config
from trainer.run_fn import _find_base
from trainer.warm_start.bundle import BASE_FILE, NO_BASE_FILE
from transforms.errors import InputError, NotReadyError
from transforms.simulator.simulate import simulate
from transforms.spans.days import span_of

FIRST = date(2026, 1, 5)
SPAN = span_of(FIRST)


def make_models(folder: Path, text: str) -> dict[str, Path]:
    """Base files of both roles."""
    files = {role: folder / text / role / BASE_FILE for role in ("candidate", "baseline")}
    for role, path in files.items():
        path.parent.mkdir(parents=True)
        path.write_text(f"{role} {text}")
    return files


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "bases"


def test_a_day_begins_from_the_latest_before_it(folder, tmp_path):
    assert newest_bases(folder, SPAN) is None
    names = [
        keep_bases(folder, SPAN + n, make_models(tmp_path, f"{n}"), tmp_path / f"{n}")
        for n in (1, 0)
    ]
    assert newest_bases(folder, SPAN) is None, "a model that has seen the day is none"
    assert newest_bases(folder, SPAN + 1) == names[1]
    assert newest_bases(folder, SPAN + 9) == names[0]
    for role in ("candidate", "baseline"):
        copy_base(folder, names[0], role, tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == f"{role} 1"


def test_a_day_that_is_run_again_takes_the_place_of_itself(folder, tmp_path):
    first = keep_bases(folder, SPAN, make_models(tmp_path, "first"), tmp_path / "first")
    same = make_models(tmp_path, "again")
    for role, path in same.items():
        path.write_text(f"{role} first")
    assert keep_bases(folder, SPAN, same, tmp_path / "again") == first, (
        "the same models have the same name"
    )
    other = keep_bases(folder, SPAN, make_models(tmp_path, "other"), tmp_path / "other")
    assert newest_bases(folder, SPAN + 1) == other != first
    with pytest.raises(InputError, match="must have the base"):
        copy_base(folder, first, "candidate", tmp_path / "copy")


def test_a_day_whose_record_was_not_written_is_not_there(folder, tmp_path):
    keep_bases(folder, SPAN, make_models(tmp_path, "whole"), tmp_path / "whole")
    name = keep_bases(folder, SPAN + 1, make_models(tmp_path, "half"), tmp_path / "half")
    (folder / name).parent.joinpath("base.json").unlink()
    assert newest_bases(folder, SPAN + 2).startswith("2026-01-05/")


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"digest": "../../../etc"}', '{"digest": 5}', "[" * 900]
)
def test_a_record_that_is_none_is_refused(folder, record):
    (folder / "2026-01-05").mkdir(parents=True)
    (folder / "2026-01-05" / "base.json").write_text(record)
    with pytest.raises(InputError, match="must say which base"):
        newest_bases(folder, SPAN + 1)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "2026-01-05/..", ""])
def test_a_name_leads_nowhere_else(folder, tmp_path, name):
    make_models(tmp_path, "outside")
    with pytest.raises(InputError, match="must have the base"):
        copy_base(folder, name, "candidate", tmp_path / "copy")


def test_only_blessed_models_are_kept(folder, tmp_path):
    models = make_models(tmp_path, "run")
    artifacts = {}
    for key, role in (("model", "candidate"), ("baseline_model", "baseline")):
        artifacts[key] = standard_artifacts.Model()
        artifacts[key].uri = str(models[role].parent)
    blessing = standard_artifacts.ModelBlessing()
    parameters = {"span": SPAN, "bases": str(folder)}
    for blessed in (0, 1):
        blessing.set_int_custom_property("blessed", blessed)
        inputs = {key: [one] for key, one in (artifacts | {"blessing": blessing}).items()}
        KeepBases_Executor().Do(inputs, {}, parameters)
        assert (newest_bases(folder, SPAN + 1) is not None) == bool(blessed)


def test_the_trainer_is_given_a_base_or_a_file_that_says_there_is_none(folder, tmp_path, caplog):
    (tmp_path / "none").mkdir()
    load_base(tmp_path / "none", "candidate", NO_BASE, str(folder))
    assert (tmp_path / "none" / NO_BASE_FILE).is_file()
    assert _find_base(str(tmp_path / "none" / "Format-Serving")) is None
    assert not caplog.records, "nothing to be warned of"
    served = tmp_path / "served" / "variables"
    served.mkdir(parents=True)
    (served / "variables.index").write_text("index")
    name = keep_bases(folder, SPAN, make_models(tmp_path, "run"), tmp_path / "served")
    for role in ("candidate", "baseline"):
        load_base(tmp_path / role, role, name, str(folder))
        found = _find_base(str(tmp_path / role / "Format-Serving"))
        assert Path(found).read_text() == f"{role} run"
    model = tmp_path / "candidate" / "Format-Serving" / "variables" / "variables.index"
    assert model.read_text() == "index", "the evaluation compares with it"


def test_the_day_of_a_model_that_was_rolled_back_is_passed_over(folder, tmp_path):
    for n in (0, 1):
        keep_bases(folder, SPAN + n, make_models(tmp_path, f"{n}"), tmp_path / f"{n}")
    assert newest_bases(folder, SPAN + 2).startswith("2026-01-06/")
    assert newest_bases(folder, SPAN + 2, without={SPAN + 1}).startswith("2026-01-05/")
    assert newest_bases(folder, SPAN + 2, without={SPAN, SPAN + 1}) is None


def test_what_a_run_begins_from_is_found(folder, tmp_path):
    logs = tmp_path / "logs"
    simulate(logs, 300, seed=1, days=5)
    config = make_config().data_config()
    newest = find_inputs(config, str(logs), "", str(folder))
    assert newest["last"] == SPAN + 4, "labels take two days, and feedback is logged for them"
    assert newest["base"] == NO_BASE
    name = keep_bases(folder, SPAN, make_models(tmp_path, "run"), tmp_path / "model")
    named = find_inputs(config, str(logs), (FIRST + timedelta(days=1)).isoformat(), str(folder))
    assert (named["last"], named["base"]) == (SPAN + 1, name)
    assert find_inputs(config, str(logs), "2026-01-06", "")["base"] == NO_BASE
    assert named["fingerprint"] != newest["fingerprint"]
    with pytest.raises(NotReadyError, match="2026-03-01"):
        find_inputs(config, str(logs), "2026-03-01", "")
    with pytest.raises(InputError, match="span: must be a date"):
        find_inputs(config, str(logs), "tomorrow", "")
    with pytest.raises(InputError, match="logs: name their folder"):
        find_inputs(config, "", "", "")
    plain = make_config(logs={"spans": None}, training={"base": None}).data_config()
    assert find_inputs(plain, str(logs), "", "")["last"] == -1
    with pytest.raises(InputError, match=r"span: needs `logs\.spans`"):
        find_inputs(plain, str(logs), "2026-01-06", "")
