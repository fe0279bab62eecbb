"""The steps of ingestion as Beam sees them; all work on rows is in the modules they call."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.adapters.base import Convert
from transforms.errors import InputError
from transforms.examples import REQUEST_ID, SPLITS, TIMESTAMP
from transforms.ingest.counts import COUNTS_FILE, check_balance, make_counts
from transforms.ingest.dead_letters import dead_letters_path, write_dead_letters
from transforms.ingest.fields import EVENT
from transforms.ingest.partition import encode_batches, process_partition
from transforms.ingest.plan import IngestPlan, Part
from transforms.ingest.reading import Checked, read_part
from transforms.ingest.rows import DEAD_LETTERS, make_dead_letters
from transforms.ingest.shuffle import cut, pack, partition_by_request, unpack
from transforms.ingest.splits import Times
from transforms.ingest.storage import write_whole
from transforms.ingest.tally import Tally
from transforms.ingest.tfrecord import shard_path, write_records
from transforms.logs import Split

IMPRESSIONS, FEEDBACK, DEAD, TALLIES, TIMES = (
    *("impressions", "feedback", "dead_letters", "tallies", "times"),
)
