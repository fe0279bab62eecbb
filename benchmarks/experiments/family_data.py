"""Logs of the experiment `family`: with what each user has clicked, where a feature wants it."""

from collections import defaultdict, deque
from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft

from benchmarks.experiments.ranker_data import ReadyLogs, files_of, make_ready
from pipeline.config import RankerConfig
from transforms.examples import TIMESTAMP, USER_ID, label_name
from transforms.features import CategoricalFeature
from transforms.ingest.pipeline import run_ingest
from transforms.transform_examples import transform_examples

_VALIDATION_EVERY = 10


def make_ready_with_lists(
    config: RankerConfig, logs: Path, folder: Path, list_of: str | None, clicked: str
) -> ReadyLogs:
    """`make_ready`, with a user's list of earlier words if a feature asks for it.

    The list is made here, of the examples: no column of the logs holds it.

    Args:
        config: of the ranker; a list stands in no column, so ingestion leaves it out.
        logs: folder of the logs.
        folder: where the examples are kept.
        list_of: the list's feature; None for none.
        clicked: the task whose positive labels put a word into the list.
    """
    if list_of is None:
        return make_ready(config, logs, folder)
    done = folder / "transformed"
    if not (done / "done").exists():
        features = {name: f for name, f in config.features.items() if name != list_of}
        data = config.data_config().model_copy(update={"features": features})
        run_ingest(data, str(logs), str(folder / "ingested"))
        raw = _write_lists(config, folder, list_of, clicked)
        transform_examples(config.data_config(), raw, done)
        (done / "done").touch()
    splits = {split: [str(done / f"{split}-*.gz")] for split in ("train", "validation", "test")}
    return ReadyLogs(config, tft.TFTransformOutput(str(done)), splits)


def _write_lists(
    config: RankerConfig, folder: Path, list_of: str, clicked: str
) -> dict[str, list[Path]]:
    """Adds the list to each example; in the order of time, so that none sees its future."""
    feature = config.features[list_of]
    assert isinstance(feature, CategoricalFeature)
    listed, length = str(feature.shares), feature.max_values
    seen: dict[bytes, deque[bytes]] = defaultdict(lambda: deque(maxlen=length))
    now, waiting = -1, list[tuple[bytes, list[bytes]]]()
    paths = {split: folder / f"with-lists-{split}.gz" for split in ("train", "validation", "test")}
    writers = {split: tf.io.TFRecordWriter(str(path), "GZIP") for split, path in paths.items()}
    for i, (time, split, example) in enumerate(_read_by_time(folder)):
        if time > now:  # what is of the same millisecond never sees each other
            for user, words in waiting:
                seen[user].extend(words)
            now, waiting = time, []
        values = example.features.feature
        user = values[USER_ID].bytes_list.value[0]
        if values[label_name(clicked)].float_list.value[0] > 0:
            waiting.append((user, list(values[listed].bytes_list.value)))
        # The latest first: a list that is too long is cut at its end.
        values[list_of].bytes_list.value[:] = list(seen[user])[::-1]
        held = "test" if split == "eval" else "train" if i % _VALIDATION_EVERY else "validation"
        writers[held].write(example.SerializeToString())
    for writer in writers.values():
        writer.close()
    return {split: [path] for split, path in paths.items()}


def _read_by_time(folder: Path) -> list[tuple[int, str, tf.train.Example]]:
    """Time, split and example of all that was ingested."""
    rows = []
    for split in ("train", "eval"):
        files = sorted((folder / "ingested" / f"Split-{split}").glob("*.gz"))
        for record in tf.data.TFRecordDataset(files_of(files), "GZIP").as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            time = example.features.feature[TIMESTAMP].int64_list.value[0]
            rows.append((time, split, example))
    return sorted(rows, key=lambda row: row[0])
