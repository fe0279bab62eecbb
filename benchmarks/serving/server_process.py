"""`gaterank serve` as a process of its own, on free ports."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_READY = re.compile(r"http://127\.0\.0\.1:(\d+)/.*gRPC on 127\.0\.0\.1:(\d+)")
_TICK = os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """A server that answers.

    Attributes:
        pid: of its process.
        port: of REST.
        grpc_port: of gRPC.
    """

    pid: int
    port: int
    grpc_port: int

    def cpu_seconds(self) -> float:
        """In user and in system mode until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def resident_mb(self) -> float:
        """The memory that it holds now."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        (resident,) = (line for line in lines if line.startswith("VmRSS"))
        return int(resident.split()[1]) / 1024


@contextmanager
def serving(model_dir: Path, *options: str) -> Iterator[Server]:
    """Serves a folder of versions while the block runs.

    Args:
        model_dir: the folder.
        options: more of the command line.

    Raises:
        RuntimeError: if the server does not start, or does not end well.
    """
    arguments = ["serve", str(model_dir), "--port", "0", "--grpc-port", "0", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.main", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        match = _READY.search(said)
        if match is None:
            raise RuntimeError(f"the server did not start: {said!r}")
        yield Server(process.pid, int(match[1]), int(match[2]))
    finally:
        process.terminate()
        if process.wait(60):
            raise RuntimeError(f"the server ended with {process.returncode}")
