"""What a person sees when something is wrong: one message, an exit code, no traceback."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.cli.main import main
from pipeline.config import load_config
from pipeline.stages import ingest_logs
from tests.pipeline.tiny import ROOT, tiny_document, write_tiny
from transforms.simulator.simulate import simulate

SEGMENT = {"of": "user", "kind": "categorical"}
MAIN = "from pipeline.cli.main import main; main()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A preset, good logs, logs with many broken rows, and things in the way."""
    folder = tmp_path_factory.mktemp("cli")
    write_tiny(folder)
    simulate(folder / "logs", 1000, seed=1, file_format="csv")
    simulate(folder / "broken", 300, seed=1, file_format="csv", broken=0.05)
    (folder / "file").touch()
    (folder / "empty").mkdir()
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").touch()
    for name, content in (("odd", b"hello, world, this is no database"), ("killed", b"")):
        (folder / name).mkdir()
        (folder / name / "metadata.sqlite").write_bytes(content)
    (folder / "model" / "1").mkdir(parents=True)
    (folder / "model" / "1" / "saved_model.pb").write_bytes(b"junk")
    document = tiny_document(score="click", features={"segment": SEGMENT})
    del document["tasks"]["survey"]
    (folder / "other.yaml").write_text(yaml.safe_dump(document))
    ingest_logs(load_config(folder / "other.yaml"), folder / "logs", folder / "other")
    space = {"training.learning_rate": {"min": 0.01, "max": 0.1}}
    (folder / "tuned.yaml").write_text(yaml.safe_dump(tiny_document(tuning={"space": space})))
    ingest_logs(load_config(folder / "tuned.yaml"), folder / "logs", folder / "examples")
    (folder / "hello.json").write_text("hello")
    (folder / "request.json").write_text('{"candidates": [{"item_id": 1}]}')
    return folder


@pytest.fixture
def gaterank(folder, monkeypatch, capfd):
    """Runs a command line in `folder`; gives the exit code and what was printed."""
    monkeypatch.chdir(folder)

    def run(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gaterank", *line.split()])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return (code, *capfd.readouterr())

    return run


INGEST = "ingest tiny.yaml --logs"


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("validate nowhere.yaml", 2, "nowhere.yaml: cannot be read: No such file or directory"),
        ("simulate --out file/logs --impressions 10", 2, "file/logs: cannot be written: Not a di"),
        ("simulate --out mine --impressions 10", 2, "mine: must be a new or empty folder"),
        (f"{INGEST} nowhere --out out", 2, "logs: must be a folder. Received: 'nowhere'"),
        (f"{INGEST} file --out out", 2, "Directory 'file' is a file"),
        ("ingest tiny.yaml --out out", 2, "logs: name their folder by --logs or by `logs.path`"),
        (f"{INGEST} empty --out out", 2, "begins with `impressions`"),
        (f"{INGEST} nosuch://logs --out out", 2, "nosuch://logs: must be a path or a URI"),
        (f"{INGEST} logs --out file/out", 2, "cannot be written: Not a directory"),
        (f"{INGEST} logs --out mine", 2, "mine: must be new, empty, or of an earlier run"),
        (f"{INGEST} broken --out refused", 3, "logs.dead_letters.max_ratio: at most 0.01"),
        ("train tiny.yaml --examples empty", 2, "empty: must hold the examples of `gaterank in"),
        (
            "train tiny.yaml --examples other",
            2,
            "`gaterank ingest` again. Missing: ['category'",
        ),
        ("tune tiny.yaml --examples empty", 2, "tiny.yaml: needs a section `tuning`"),
        ("tune tuned.yaml --examples empty", 2, "empty: must hold the examples of `gaterank in"),
        ("tune tuned.yaml --examples other --out mine", 2, "`gaterank ingest` again. Missing: ["),
        ("tune tuned.yaml --examples examples --out mine", 2, "mine: must be new, empty, or"),
        ("run tiny.yaml --logs logs --workspace file/w", 2, "cannot be written: Not a directory"),
        ("run tiny.yaml --logs logs --workspace odd", 2, "must be the database of a workspace"),
        ("run tiny.yaml --logs nowhere --workspace w", 2, "must be a folder"),
        ("runs empty", 2, "empty: must be a workspace of `gaterank run`"),
        ("runs odd", 2, "metadata.sqlite: must be the database of a workspace's runs"),
        ("report killed", 2, "killed: must be a workspace of `gaterank run`"),
        ("lineage nowhere", 2, "nowhere: must be a workspace of `gaterank run`"),
        ("score empty tiny.yaml --logs logs --out s.parquet", 2, "empty: must hold a SavedModel"),
        ("score model tiny.yaml --logs logs --out s.parquet", 2, "must be a ranker's SavedModel"),
        ("serve empty --port 0 --grpc-port 0", 2, "must hold a folder named by a version number"),
        ("serve empty --name a/b", 2, "a model's name must have no / and no :. Received: 'a/b'"),
        ("rank --server http://127.0.0.1:1 --request nowhere", 2, "nowhere: cannot be read"),
        ("rank --server http://127.0.0.1:1 --request hello.json", 2, "a request must be JSON"),
        ("rank --server http://127.0.0.1:1 --request request.json", 1, "no server answers"),
        ("rank --server nowhere --request request.json", 2, "must be http(s)://host:port"),
    ],
)
def test_a_mistake_is_one_message_with_an_exit_code(gaterank, line, code, message):
    ended, _, errors = gaterank(line)
    assert ended == code
    assert message in errors
    assert errors.lower().count("error: ") == 1
    assert "Traceback" not in errors


def test_refused_rows_can_be_looked_at(gaterank, folder):
    _, _, errors = gaterank(f"{INGEST} broken --out looked_at")
    assert str(folder / "looked_at" / "dead_letters") in errors
    counts = json.loads((folder / "looked_at" / "dead_letters" / "counts.json").read_text())
    for rows in (counts["impressions"], counts["feedback"]):
        assert rows["read"] == sum(count for name, count in rows.items() if name != "read")
    assert counts["impressions"]["dead"] > 0 < counts["feedback"]["dead"]


def test_ingest_runs_on_the_engine_of_the_yaml(gaterank, folder):
    beam = {"runner": "spark", "job_endpoint": "127.0.0.1:1", "options": {"job_server_timeout": 1}}
    document = yaml.safe_dump(tiny_document(beam=beam))
    (folder / "spark.yaml").write_text(document)
    message = "error: beam.job_endpoint: no job server answers there\n"
    code, _, errors = gaterank("ingest spark.yaml --logs logs --out spark")
    assert (code, errors) == (2, message)
    assert not (folder / "spark").exists()


def test_ingest_says_what_became_of_the_rows_and_nothing_else(gaterank):
    code, output, errors = gaterank(f"{INGEST} logs --out good")
    assert code == 0
    assert "train:" in output
    assert "dead letters:" in output
    assert errors == ""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "kept"), "kept: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ],
)
def test_what_the_machine_refuses_is_one_message(gaterank, monkeypatch, error, message):
    def refuse(_):
        raise error

    monkeypatch.setattr("pipeline.cli.data.load_config", refuse)
    assert gaterank("validate tiny.yaml") == (1, "", f"error: {message}\n")


def test_a_bug_is_not_dressed_up(gaterank, monkeypatch):
    monkeypatch.setattr("pipeline.cli.data.load_config", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gaterank("validate tiny.yaml")


def test_output_that_cannot_be_written_is_not_lost_in_silence(folder):
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", MAIN, "validate", str(folder / "tiny.yaml")]
        ended = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr == "error: No space left on device\n"


def test_a_full_disk_during_ingestion_is_one_message(folder):
    """The size of a file is limited, which also those may do who may not mount disks.

    Rows that wait for their partition and the partitions may both be the first to be full.
    """
    out = folder / "full" / "out"
    command = ["ingest", "tiny.yaml", "--logs", "logs", "--out", str(out)]
    # Not by `preexec_fn`: a fork beside the threads of gRPC, which other tests start, may abort.
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {limited}; {MAIN}"
    ended = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: {out.parent}/.out.partial/")
    assert ended.stderr.endswith("cannot be written: File too large\n")
    assert ended.stderr.count("\n") == 1
    assert not list(out.parent.iterdir())
