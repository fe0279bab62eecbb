"""What stands along the axes of a ranker's weights, by names that outlive their places.

An axis either has labels, and a later training takes over what has the same label, wherever it
stands now; or it has none, and then all of it is the same or nothing. Imports no TensorFlow.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainer.config import TrainerConfig
from transforms.features import CategoricalFeature, Feature, MultiHash, NumberFeature
from transforms.shared_words import owner_of

TASKS, EXPERTS, OWN_EXPERTS, INPUTS = "tasks", "experts", "experts of a task", "inputs"
READERS, SELECTORS, BITS, UNITS = "readers", "selectors", "bits", "units"

Words = Mapping[str, Sequence[bytes]]
# No word of a vocabulary has a line break, so none is taken for one of these rows.
_NO_WORD = "\n"
_WORDS = "words of "


def label_axes(config: TrainerConfig, words: Words) -> dict[str, pa.LargeBinaryArray]:
    """Axis -> its labels, all different; an axis that is not there has none.

    Args:
        config: features, tasks, gate and model.
        words: feature -> its vocabulary, of each that has one.
    """
    shared = [f"shared {i}" for i in range(config.num_shared)]
    of_task = [f"own {i}" for i in range(config.num_own)]
    of_tasks = [f"{task} {name}" for task in config.tasks for name in of_task]
    labels = {
        TASKS: [f"{task.kind} {name}" for name, task in config.tasks.items()],
        READERS: ["shared"],
        EXPERTS: shared + of_tasks,
        OWN_EXPERTS: shared + of_task,
        INPUTS: [label for name in config.features for label in _inputs_of(name, config, words)],
    }
    rows = {
        rows_axis(name, feature, words): _label_rows(feature, words[name])
        for name, feature in config.features.items()
        if isinstance(feature, CategoricalFeature) and name in words and not feature.multi_hash
    }
    return {
        name: pa.array(values, pa.large_binary())
        for name, values in (_encode(labels) | rows).items()
    }


def rows_axis(name: str, feature: Feature, words: Words) -> str:
    """The axis of the rows of an embedding table.

    Args:
        name: of the feature that owns the table.
        feature: the same.
        words: feature -> its vocabulary.
    """
    if isinstance(feature, NumberFeature):
        return f"quantiles of {name}"
    assert isinstance(feature, CategoricalFeature)
    if feature.multi_hash is not None:
        return _hashed_axis(name, feature, feature.multi_hash, words)
    return f"hashes of {name}" if feature.hash_buckets is not None else f"{_WORDS}{name}"


def is_of_words(axis: str) -> bool:
    """Whether the rows of an axis are of a vocabulary's words."""
    return axis.startswith(_WORDS)


def find_words(labels: pa.LargeBinaryArray) -> np.ndarray:
    """Which rows are of a word, not of what is missing or out of the vocabulary, bool.

    Example:
        >>> find_words(pa.array([b"news", b"\\nmissing"], pa.large_binary())).tolist()
        [True, False]
    """
    is_other = pc.starts_with(labels, pattern=_NO_WORD)
    words: np.ndarray = ~is_other.to_numpy(zero_copy_only=False)
    return words


def _hashed_axis(name: str, feature: CategoricalFeature, hashes: MultiHash, words: Words) -> str:
    """Rows are found by ids: what moves the ids of words leaves no row what it was."""
    source = f"{feature.hash_buckets} hashes"
    if feature.hash_buckets is None:
        digest = hashlib.blake2b(b"\n".join(words[name]), digest_size=16).hexdigest()
        source = f"{feature.num_oov_buckets} more than the words {digest}"
    return f"{hashes.hashes} tables of {hashes.rows} rows of {name}, ids of {source}"


def _label_rows(feature: CategoricalFeature, words: Sequence[bytes]) -> list[bytes]:
    """Id 0, the words, and the ids of other words, which share them by their number."""
    count = feature.num_oov_buckets
    others = [f"{_NO_WORD}other {i} of {count}".encode() for i in range(count)]
    return [f"{_NO_WORD}missing".encode(), *words, *others]


def _inputs_of(name: str, config: TrainerConfig, words: Words) -> Iterator[str]:
    """The columns of the network's input that a feature has."""
    feature = config.features[name]
    if isinstance(feature, NumberFeature) and not feature.is_embedded:
        yield f"{name} by {feature.transform}"
        if feature.missing_indicator:
            yield f"{name} is missing"
        return
    owner, spec, pooling = name, feature, ""
    if not isinstance(feature, NumberFeature):
        owner, spec = owner_of(name, config.features)
        pooling = f" by {feature.pooling}" if feature.list_length is not None else ""
    width = spec.embedding_dim or config.model.embedding_dim
    if isinstance(spec, CategoricalFeature) and spec.multi_hash is not None:
        width *= spec.multi_hash.hashes if spec.multi_hash.combine == "concat" else 1
    rows = rows_axis(owner, spec, words)
    for i in range(width):
        yield f"{name} {i} of {width}, {rows}{pooling}"


def _encode(labels: Mapping[str, Sequence[str]]) -> dict[str, list[bytes]]:
    return {name: [label.encode() for label in values] for name, values in labels.items()}
