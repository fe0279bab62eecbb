"""The data folder of an experiment."""

from pathlib import Path

import pytest

from benchmarks.harness.experiment import DataSetup, Experiment, Settings, main
from transforms.section import Section


class Counted(DataSetup):
    """A set-up that reads files."""


class Made(Section):
    """A set-up that makes its examples."""


class FileSettings(Settings):
    """Settings of an experiment on files."""

    setup: Counted


class MadeSettings(Settings):
    """Settings of an experiment on examples of its own."""

    setup: Made = Made()


def experiment(settings):
    """Reports how many files the data folder has."""
    return Experiment(
        name="counting",
        title="Counting files",
        sizes={"table": settings, "quick": settings},
        count_trials=lambda settings: 1,
        run=lambda settings, trials: {"files": len(list(settings.setup.data.iterdir()))},
        report=lambda results, out: (out / "table.md").write_text(f"{results['files']} files\n"),
    )


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("some").mkdir()
    Path("other").mkdir()
    Path("other", "file").touch()


def test_the_presets_folder_is_read_unless_the_command_names_another(capsys):
    settings = FileSettings(setup=Counted(data="some"))
    main(experiment(settings), [])
    assert Path("docs/experiments/counting/table.md").read_text() == "0 files\n"
    main(experiment(settings), ["--data", "other"])
    assert capsys.readouterr().out.endswith("1 files\n\n")


def test_other_data_does_not_take_the_place_of_the_committed_figures():
    settings = FileSettings(setup=Counted(data="some"))
    main(experiment(settings), [])
    main(experiment(settings), ["--data", "other"])
    assert Path("docs/experiments/counting/table.md").read_text() == "0 files\n"
    assert Path("build/experiments/counting/table/other/table.md").read_text() == "1 files\n"


def test_trials_of_other_data_are_trials_of_their_own():
    settings = FileSettings(setup=Counted(data="some"))
    found = []
    both = Experiment(
        name="counting",
        title="",
        sizes={"table": settings},
        count_trials=lambda settings: 1,
        run=lambda settings, trials: found.append(trials.file) or {},
        report=lambda results, out: (out / "table.md").write_text(""),
    )
    main(both, [])
    main(both, ["--data", "other"])
    assert found[0] != found[1]


def test_a_missing_folder_is_one_message(capsys):
    with pytest.raises(SystemExit) as ended:
        main(experiment(FileSettings(setup=Counted(data="some"))), ["--data", "nowhere"])
    assert ended.value.code == 2
    message = "error: --data: must be a folder of the experiment's files. Received: nowhere\n"
    assert capsys.readouterr().err == message


def test_an_experiment_that_makes_its_examples_takes_no_folder(capsys):
    with pytest.raises(SystemExit):
        main(experiment(MadeSettings()), ["--data", "other"])
    assert "unrecognized arguments: --data" in capsys.readouterr().err
