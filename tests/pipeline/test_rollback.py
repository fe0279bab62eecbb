"""The last good version comes back: under a new number, at once, and while requests come in."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli.main import cli
from pipeline.served.records import ROLLBACKS_FILE, read_rollbacks, withdrawn_by
from pipeline.served.rollback import roll_back
from pipeline.served.seal import Seal
from pipeline.served.versions import last_span, newest_version, push_version, withdrawn_spans
from serving.client import Ranker, Retry
from serving.manifest.check import check_model
from serving.manifest.keys import read_signing_key, read_verify_keys
from serving.server import ServerOptions, running_server
from tests.serving.signing import write_keys
from tests.serving.toy_ranker import write_version
from transforms.errors import InputError
from transforms.folders import held


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Five pushed versions; each holds its number, and has seen a later day."""
    for number in range(1, 6):
        model = tmp_path / f"model-{number}"
        (model / "assets.extra").mkdir(parents=True)
        (model / "saved_model.pb").write_text(str(number))
        spans = json.dumps([{"span": 20454 + number}])
        (model / "assets.extra" / "spans.json").write_text(spans)
        push_version(model, tmp_path / "served")
    return tmp_path / "served"


def newest(served: Path) -> tuple[int, int]:
    """The number of the newest version, and which model it is."""
    folder = newest_version(served)
    assert folder is not None
    return int(folder.name), int((folder / "saved_model.pb").read_text())


def wait_until(holds: Callable[[], object]) -> None:
    """Until it does; of what never does, the checks that follow tell."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)


def withdrawn_versions(served: Path) -> frozenset[int]:
    return withdrawn_by(read_rollbacks(served))


def call(*words: object) -> Any:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_each_rollback_goes_one_good_version_back(served: Path) -> None:
    for expected, gone in (((6, 4), {5}), ((7, 3), {4, 5}), ((8, 2), {3, 4, 5})):
        made = roll_back(served)
        assert newest(served) == expected
        assert (made.version, withdrawn_versions(served)) == (expected[0], gone)


def test_days_of_withdrawn_models_are_known_but_not_if_the_day_was_pushed_again(
    served: Path,
) -> None:
    assert withdrawn_spans(served) == frozenset()
    roll_back(served)
    roll_back(served)
    assert withdrawn_spans(served) == {20458, 20459}
    push_version(served.parent / "model-5", served)
    assert withdrawn_spans(served) == {20458}


def test_a_run_pushes_over_a_rollback_and_the_bad_version_stays_withdrawn(served: Path) -> None:
    roll_back(served)
    assert last_span(newest_version(served)) == 20458
    push_version(served.parent / "model-1", served)
    assert newest(served) == (7, 1)
    roll_back(served)
    assert newest(served) == (8, 4), "not 5, and not the copy of a copy"
    assert withdrawn_versions(served) == {5, 7}


def test_going_far_back_withdraws_all_after_it_and_one_may_return(served: Path) -> None:
    roll_back(served, to=2)
    assert withdrawn_versions(served) == {3, 4, 5}
    roll_back(served, to=4)
    assert newest(served) == (7, 4)
    assert withdrawn_versions(served) == {3, 5}


def test_a_version_whose_files_are_not_those_that_were_pushed_is_not_put_back(
    served: Path,
) -> None:
    push_version(served.parent / "model-1", served, Seal("ranker"))
    roll_back(served)
    (served / "6" / "saved_model.pb").write_text("2")
    with pytest.raises(InputError, match="must have the SHA-256"):
        roll_back(served, to=6)
    assert newest(served) == (7, 5)
    assert withdrawn_versions(served) == {6}


def test_a_signature_holds_for_the_version_that_comes_back(served: Path) -> None:
    private, public = write_keys(served.parent)
    push_version(served.parent / "model-1", served, Seal("ranker", read_signing_key(private)))
    push_version(served.parent / "model-2", served, Seal("ranker", read_signing_key(private)))
    made = roll_back(served)
    assert check_model(served / str(made.version), read_verify_keys(public)) is not None


def test_a_rollback_that_is_killed_can_be_asked_for_again(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(SystemExit("killed")))
        with pytest.raises(SystemExit):
            roll_back(served)
    assert newest(served) == (5, 5)
    assert withdrawn_versions(served) == {5}
    roll_back(served)
    assert newest(served) == (7, 4), "a number is never used for two versions"
    assert withdrawn_versions(served) == {5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"to": 9}, r"must hold version 9\. Received: \[1, 2, 3, 4, 5\]"),
        ({"to": 5}, "version 5 is served already, as 5"),
        ({"expected": 4}, r"the newest version must be 4\. Received: 5"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(served, arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        roll_back(served, **arguments)
    assert newest(served) == (5, 5)
    assert read_rollbacks(served) == ()


def test_there_is_nothing_before_the_first(served: Path, tmp_path: Path) -> None:
    roll_back(served, to=1)
    with pytest.raises(InputError, match="has no good version before 6"):
        roll_back(served)
    with pytest.raises(InputError, match="must be a folder of numbered versions"):
        roll_back(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="must hold a version"):
        roll_back(tmp_path / "empty")


def test_a_push_and_a_rollback_take_turns(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.served.versions._PATIENCE_SECONDS", 0.0)
    with held(served, "served folder"), pytest.raises(InputError, match="another run is using"):
        roll_back(served)
    assert newest(served) == (5, 5)


@pytest.mark.parametrize(
    "text", ["{}", "[{}]", "[1", '[{"at": "2026-01-05T00:00Z", "served": -1}]', "\xff"]
)
def test_a_list_of_rollbacks_that_is_none_is_refused(served: Path, text: str) -> None:
    (served / ROLLBACKS_FILE).write_text(text, encoding="latin-1")
    ended = call("rollback", served)
    assert isinstance(ended.exception, InputError)
    assert "must be what `gaterank rollback` wrote" in str(ended.exception)
    assert newest(served) == (5, 5)


def test_the_command_says_what_it_did_and_the_list_shows_it(served: Path) -> None:
    ended = call("rollback", served, "--from", 5, "--reason", "half the clicks are missing")
    assert ended.exit_code == 0
    assert ended.output.endswith(": version 4 is back as 6; withdrawn: 5\n")
    rows = json.loads(call("versions", served, "--json").output)
    assert rows[:2] == [
        {
            "version": 6,
            "day": "2026-01-05",
            "copy_of": 4,
            "withdrawn": False,
            "reason": "half the clicks are missing",
        },
        {
            "version": 5,
            "day": "2026-01-06",
            "copy_of": None,
            "withdrawn": True,
            "reason": "half the clicks are missing",
        },
    ]
    table = call("versions", served).output
    assert "copy of 4, newest" in table
    assert table.count("withdrawn") == 1


def test_under_load_the_good_version_is_back_without_a_failed_request(tmp_path: Path) -> None:
    served = tmp_path / "served"
    for weight in (1.0, 2.0):
        push_version(write_version(tmp_path / "models", int(weight), weight), served)
    options = ServerOptions(model_dir=served, port=0, grpc_port=0, poll_seconds=0.1)
    stop, answers, failures = threading.Event(), [], []
    with running_server(options) as server:
        url = f"http://127.0.0.1:{server.port}"

        def keep_asking() -> None:
            with Ranker(url, retry=Retry(attempts=1)) as ranker:
                while not stop.is_set():
                    try:
                        answers.append(float(ranker.predict({"x": [1.0]})["y"][0]))
                    except Exception as error:
                        failures.append(error)

        threads = [threading.Thread(target=keep_asking) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answers) >= 20 or failures)
        ended = call("rollback", served, "--server", url, "--wait", 60)
        enough = len(answers) + 100
        wait_until(lambda: len(answers) >= enough or failures)
        stop.set()
        for thread in threads:
            thread.join()
    assert ended.exit_code == 0, ended.output
    assert "serves version 3 after" in ended.output
    assert failures == []
    assert len(answers) >= enough
    assert (answers[0], answers[-1]) == (2.0, 1.0)
    assert set(answers[-50:]) == {1.0}


def test_a_server_that_cannot_load_it_is_said(tmp_path: Path) -> None:
    served = tmp_path / "served"
    push_version(write_version(tmp_path / "models", 1, 1.0), served)
    push_version(write_version(tmp_path / "models", 2, 2.0), served)
    (served / "1" / "saved_model.pb").write_bytes(b"\0")
    options = ServerOptions(model_dir=served, port=0, grpc_port=0, poll_seconds=0.1)
    with running_server(options) as server:
        url = f"http://127.0.0.1:{server.port}"
        ended = call("rollback", served, "--server", url, "--wait", 60)
        assert "must serve version 3 of ranker: " in str(ended.exception)
        assert call("rollback", served, "--to", 2, "--server", url).exit_code == 0
