"""TFX's CsvExampleGen on the impressions: it reads, splits and writes them, and joins nothing.

    python -m benchmarks.ingest.csv_example_gen LOGS OUT GZIP_LEVEL

It always gzips at zlib's own level. With level 0 Beam is told to leave that out, so that there
is a figure to hold against our plain files.
"""

import functools
import sys
from pathlib import Path
from unittest import mock

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from tfx.components.example_gen.csv_example_gen.executor import Executor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from benchmarks.ingest.logs import IMPRESSIONS
from transforms.beam import Beam
from transforms.engine import make_args


def run(logs: Path, out: Path) -> None:
    """Runs the component's executor with a split of 9 to 1, as ours has it."""
    examples = standard_artifacts.Examples()
    examples.uri = str(out)
    split = example_gen_pb2.SplitConfig.Split
    splits = [split(name="train", hash_buckets=9), split(name="eval", hash_buckets=1)]
    output = example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))
    pattern = example_gen_pb2.Input.Split(name="all", pattern="*.csv")
    properties = {
        "input_base": str(logs / IMPRESSIONS),
        "input_config": proto_utils.proto_to_json(example_gen_pb2.Input(splits=[pattern])),
        "output_config": proto_utils.proto_to_json(output),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
    }
    context = BaseBeamExecutor.Context(list(make_args(Beam())), str(out / "temp"), "1")
    Executor(context).Do({}, {"examples": [examples]}, properties)


def main() -> None:
    logs, out, gzip_level = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    if gzip_level:
        run(logs, out)
        return
    plain = functools.partial(
        beam.io.WriteToTFRecord, compression_type=CompressionTypes.UNCOMPRESSED
    )
    with mock.patch.object(beam.io, "WriteToTFRecord", plain):
        run(logs, out)


if __name__ == "__main__":
    main()
