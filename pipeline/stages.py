"""One stage of the pipeline alone, for people who iterate: ingest, score."""

import json
import tempfile
from functools import partial
from pathlib import Path

from pipeline.code_version import code_version
from pipeline.config import RankerConfig
from pipeline.local_runner import find_logs
from serving.manifest.keys import VerifyKeys
from transforms.engine import make_pipeline
from transforms.examples import SPLITS
from transforms.folders import make_folder, taking_the_place_of
from transforms.ingest.counting.counts import COUNTS_FILE, IngestCounts
from transforms.ingest.pipeline import run_ingest
from transforms.ingest.writing.tfrecord import find_shards
from transforms.rolling.roll import Rolling, make_recipe, roll
from transforms.rolling.store import SpanStore, StoredSpan
from transforms.rolling.window import window_counts


def ingest_logs(
    config: RankerConfig,
    logs: Path | str | None,
    out: Path | str,
    history: Path | str | None = None,
    every_split: bool = True,
) -> IngestCounts:
    """Turns logs into examples.

    Args:
        config: the whole YAML.
        logs: folder of the log files, or its URI; None for the YAML's.
        out: gets Split-train, Split-eval and dead_letters; a path or a URI, under which all
            machines of the YAML's engine must see it.
        history: of an earlier ingestion, which history features start from.
        every_split: whether each split must have examples, as for training.

    Returns:
        The counts.

    Raises:
        DeadLetterRatioError: if too many rows were refused; the dead letters are there.
    """
    folder = find_logs(config, logs)
    start = str(history) if history else None
    engine = partial(make_pipeline, config.beam)
    return run_ingest(config.data_config(), folder, str(out), engine, start, every_split)


def ingest_spans(
    config: RankerConfig, logs: Path | str | None, store: Path | str, span: int | None = None
) -> tuple[list[StoredSpan], IngestCounts]:
    """Brings a store of spans up to date.

    Args:
        config: the whole YAML, with `logs.spans`.
        logs: folder of the log files, or its URI; None for the YAML's.
        store: gets a folder a span and version; a path or a URI, as in `ingest_logs`.
        span: the last one of the window; None for the newest that is complete.

    Returns:
        The window, and the counts of all its spans.

    Raises:
        DeadLetterRatioError: if too many rows of a span were refused; the dead letters are there.
    """
    data, folder = config.data_config(), find_logs(config, logs)
    recipe = make_recipe(data, code_version("transforms"))
    engine = partial(make_pipeline, config.beam)
    window = roll(Rolling(data, folder, SpanStore(str(store)), recipe, engine), span)
    return window, window_counts(data, window)


def score_logs(
    model_dir: Path,
    config: RankerConfig,
    logs: Path | str | None,
    out: Path,
    keys: VerifyKeys | None = None,
) -> int:
    """Scores logs in bulk.

    History features start from what the model knows of its training's end, and roll on
    through the logs: each impression sees only what came before it.

    Args:
        model_dir: a SavedModel or its versions.
        config: the whole YAML.
        logs: folder of the log files, or its URI; None for the YAML's.
        out: a Parquet file, if its name ends in .parquet; else a folder of several, with
            `counts.json` when it is whole.
        keys: one of them must have signed the model's manifest; None takes any model.

    Returns:
        The number of rows.

    Raises:
        InputError: if there is no model, it is not of this YAML or not what was pushed, or `out`
            cannot be written.
        DiskFullError: if there is no room.
    """
    from serving.bulk_scoring.scorer import ExampleScorer, history_path

    scorer = ExampleScorer(model_dir, keys)
    scorer.check_fits(config.data_config())
    place = out.absolute().parent
    make_folder(place)
    known = history_path(scorer.model_dir)
    # Beside `out`, which an engine's machines see; their /tmp is their own.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=place) as folder:
        examples = Path(folder) / "examples"
        history = known if known.is_file() else None
        ingest_logs(config, logs, examples, history, every_split=False)
        files = [path for split in SPLITS for path in find_shards(examples / f"Split-{split}")]
        return _score_files(scorer.model_dir, config, files, out, Path(folder), keys)


def _score_files(
    model_dir: Path,
    config: RankerConfig,
    files: list[Path],
    out: Path,
    scratch: Path,
    keys: VerifyKeys | None,
) -> int:
    from serving.bulk_scoring.score import count_rows, join_parts, score_examples

    tasks, engine = tuple(config.tasks), partial(make_pipeline, config.beam)
    if out.suffix == ".parquet":
        parts = score_examples(model_dir, tasks, files, scratch / "scores", engine, keys)
        return join_parts(parts, out, tasks)
    with taking_the_place_of(out, COUNTS_FILE) as whole:
        rows = count_rows(score_examples(model_dir, tasks, files, whole, engine, keys))
        (whole / COUNTS_FILE).write_text(json.dumps({"rows": rows}) + "\n")
    return rows
