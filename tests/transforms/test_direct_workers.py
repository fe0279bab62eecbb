"""A job of several processes ends, whatever happens to one of them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
JOB = """
import os, signal, sys
import apache_beam as beam
from transforms.beam import Beam
from transforms.direct_workers import DirectWorker
from transforms.engine import make_pipeline

start = DirectWorker.start_worker
started = []

def start_late(self):
    started.append(self)
    if sys.argv[1] == "late" and len(started) == 1:
        self._worker_command_line = b"sleep 8; exec " + self._worker_command_line
    start(self)

def begin(number, what):
    if what == "late":
        raise ValueError("this job fails at once")
    return number

def do(number, what):
    if what == "killed" and number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

DirectWorker.start_worker = start_late
with make_pipeline(Beam(workers=2)) as pipeline:
    begun = pipeline | beam.Create(range(100)) | beam.Map(begin, sys.argv[1])
    begun | beam.Reshuffle() | "do" >> beam.Map(do, sys.argv[1])
"""


def run(what: str) -> tuple[int, str]:
    command = [sys.executable, "-c", JOB, what]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("killed", "WorkerLostError: beam.workers: a process has ended before its job"),
        ("late", "this job fails at once"),
    ],
)
def test_a_job_fails_and_does_not_wait(what, said):
    code, stderr = run(what)
    assert code == 1
    assert said in stderr


def test_processes_that_live_do_the_job():
    code, stderr = run("nothing")
    assert code == 0, stderr
