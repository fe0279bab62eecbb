"""A saved ranker on serialized examples, column-wise."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.manifest.check import check_model, check_unchanged
from serving.manifest.keys import VerifyKeys
from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.ingest.history.state import HISTORY_FILE
from transforms.ingest.writing.tfrecord import GZIP_SUFFIX
from transforms.saved_model import EXTRA_FOLDER

_BATCH_SIZE = 4096


class ExampleScorer:
    """Predicts serialized examples with a saved ranker.

    Args:
        model_dir: a SavedModel, or a folder of numbered versions of which the latest is
            taken.
        keys: one of them must have signed its manifest; None takes any model.

    Raises:
        InputError: if there is no model, none that can be loaded, or its files are not those of
            its manifest.
    """

    def __init__(self, model_dir: Path, keys: VerifyKeys | None = None) -> None:
        self.model_dir = latest_version(model_dir)
        stamp = check_model(self.model_dir, keys)
        try:
            # The loaded object owns the variables of its signatures: keep it alive.
            self._model = tf.saved_model.load(str(self.model_dir))
            self._serve = self._model.signatures["serving_default"]
            self._rank = self._model.signatures["rank"]
        except Exception as error:  # a broken file can make TensorFlow's loader raise anything
            message = f"{self.model_dir}: must be a ranker's SavedModel: {error}"
            raise InputError(message.partition("\n")[0]) from error
        check_unchanged(self.model_dir, stamp)

    def __call__(self, examples: tf.Tensor) -> dict[str, np.ndarray]:
        """Serialized examples [B] -> task, and `score`, -> [B] float32."""
        return {name: value.numpy() for name, value in self._serve(examples=examples).items()}

    def check_fits(self, config: DataConfig) -> None:
        """Refuses the configuration of another model, by which values would go missing.

        Args:
            config: whose features the examples have, and whose tasks are asked for.

        Raises:
            InputError: if the model reads other features or predicts other tasks.
        """
        reads = set(self._rank.structured_input_signature[1])
        for what, missing in (
            ("read no features but the YAML's", reads - set(config.features)),
            ("predict the YAML's tasks", set(config.tasks) - set(self._serve.structured_outputs)),
        ):
            if missing:
                raise InputError(f"{self.model_dir}: must {what}. Received: {sorted(missing)}")


def latest_version(model_dir: Path) -> Path:
    """The SavedModel in the folder, or in its highest numbered version.

    Raises:
        InputError: if there is none.
    """
    if (model_dir / "saved_model.pb").is_file():
        return model_dir
    versions = (path for path in model_dir.glob("*/") if path.name.isdecimal())
    complete = [path for path in versions if (path / "saved_model.pb").is_file()]
    if not complete:
        raise InputError(f"{model_dir}: must hold a SavedModel or numbered versions of one")
    return max(complete, key=lambda path: int(path.name))


def history_path(model: Path) -> Path:
    """Where a SavedModel keeps what was known of users and items when its training ended.

    Example:
        >>> history_path(Path("served/1")).as_posix()
        'served/1/assets.extra/history.parquet'
    """
    return model / EXTRA_FOLDER / HISTORY_FILE


def read_examples(files: Sequence[Path], batch_size: int = _BATCH_SIZE) -> Iterator[tf.Tensor]:
    """Serialized examples [B], in the order of the files.

    Args:
        files: TFRecord files, all gzipped or all plain.
        batch_size: B.
    """
    paths = [str(path) for path in files]
    is_gzip = all(path.endswith(GZIP_SUFFIX) for path in paths)
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP" if is_gzip else "")
    yield from records.batch(batch_size)


def parse_columns(examples: tf.Tensor, spec: dict[str, Any]) -> dict[str, np.ndarray]:
    """Some features of serialized examples, as arrays [B].

    Args:
        examples: [B].
        spec: feature -> tf.io.FixedLenFeature.
    """
    return {name: value.numpy() for name, value in tf.io.parse_example(examples, spec).items()}
