"""Where the CPU seconds of our ingestion go: `gaterank ingest` with its functions timed.

    python -m benchmarks.ingest.stages CONFIG LOGS OUT

A function's time is its own, without that of the timed functions it calls; what no timed
function takes is Beam's. Printed as JSON: stage -> CPU seconds.
"""

import importlib
import inspect
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

IMPORTS, BEAM = "imports", "Beam"

# Stage -> the functions that are its work, where their callers look them up.
STAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "read": (("steps.read_part", "_read_raw"),),
    "check": (("steps.read_part", "check_rows"), ("steps.read_logs", "_pick_events")),
    "partition": (("steps.read_logs", "partition_by_request"), ("steps.read_logs", "cut")),
    "IPC": (
        ("rows.messages", "pack"),
        ("rows.messages", "_store"),
        ("steps.write_examples", "unpack"),
    ),
    "join": (("steps.partition", "join"),),
    "label and split": (
        ("steps.label_pieces", "label_partition"),
        ("steps.write_examples", "pick_split"),
    ),
    "encode": (("steps.write_examples", "encode_batches"), ("writing.tfrecord", "_write_frames")),
    "checksum": (("writing.tfrecord", "_checksums"),),
    "gzip and write": (("steps.write_examples", "write_records"),),
    "dead letters": (("steps.write_examples", "write_dead_letters"),),
    "plan": (("pipeline", "make_plan"),),
}


class Stopwatch:
    """CPU seconds of stages, of which one is inside another."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.process_time()

    def enter(self, stage: str) -> None:
        """Begins a stage; the one around it waits."""
        self._book()
        self._open.append(stage)

    def leave(self) -> None:
        """Ends the stage begun last."""
        self._book()
        self._open.pop()

    def _book(self) -> None:
        now = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The function, or generator, with its time booked."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.enter(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.leave()

        def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            step = self.timed(function(*args, **kwargs).__next__, stage)
            while True:
                try:
                    item = step()
                except StopIteration:
                    return
                yield item

        return generate if inspect.isgeneratorfunction(function) else call


def main() -> None:
    """Ingests once and prints the stages."""
    config, logs, out = map(Path, sys.argv[1:])
    watch = Stopwatch()
    watch.enter(IMPORTS)
    from pipeline.config import load_config
    from pipeline.stages import ingest_logs

    watch.leave()
    for stage, functions in STAGES.items():
        for module_name, name in functions:
            module = importlib.import_module(f"transforms.ingest.{module_name}")
            setattr(module, name, watch.timed(getattr(module, name), stage))
    watch.enter(BEAM)
    ingest_logs(load_config(config), logs, out)
    watch.leave()
    print(json.dumps(watch.seconds))


if __name__ == "__main__":
    main()
