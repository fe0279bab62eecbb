"""EvaluateRanker: candidate against baseline on the eval split, and the blessing.

Reads and writes TFMA's own files, but computes with paired bootstrap intervals in seconds
where TFMA's take a quarter of an hour (ADR 0005).
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils, path_utils

from pipeline.config import RankerConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.rows import EvalRows, TaskRows
from pipeline.evaluation.tfma_files import eval_config, write_tfma_files
from serving.bulk_scoring.rows import key_and_label_spec
from serving.bulk_scoring.scorer import ExampleScorer, parse_columns, read_examples
from trainer.warm_start.bundle import NO_BASE_FILE
from transforms.examples import USER_ID, label_name, weight_name
from transforms.features import CategoricalFeature
from transforms.ingest.writing.tfrecord import find_shards

FIGURES_FILE = "figures.json"
PRUNING_FILE = "pruning.json"
MAX_PRUNING_DIFFERENCE = 1e-5


@component
def EvaluateRanker(  # noqa: N802
    examples: InputArtifact[standard_artifacts.Examples],
    model: InputArtifact[standard_artifacts.Model],
    baseline_model: InputArtifact[standard_artifacts.Model],
    evaluation: OutputArtifact[standard_artifacts.ModelEvaluation],
    blessing: OutputArtifact[standard_artifacts.ModelBlessing],
    ranker: Parameter[str],
    code_version: Parameter[str],
    # TFX's word for an input that may be absent; `X | None` it cannot read.
    base_model: InputArtifact[standard_artifacts.Model] = None,  # type: ignore[assignment]
) -> None:
    """Evaluates both models, checks the pruned one against the full one, and blesses.

    Args:
        examples: raw examples with an eval split.
        model: the candidate.
        baseline_model: what it is compared against.
        evaluation: figures and TFMA's files.
        blessing: blessed only if every threshold holds.
        ranker: `RankerConfig` as JSON.
        code_version: part of the cache key.
        base_model: the blessed model that the candidate began from, if there is one.
    """
    config = RankerConfig.model_validate_json(ranker)
    files = find_shards(Path(examples.path(split="eval")))
    rows, difference = read_eval_rows(config, files, model.uri, baseline_model.uri)
    if difference > MAX_PRUNING_DIFFERENCE:
        raise AssertionError(f"the pruned model differs from the full one by {difference}")
    figures = evaluate(rows, config, _base_rows(rows, files, base_model))
    folder = Path(evaluation.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FIGURES_FILE).write_text(figures.model_dump_json(indent=1))
    (folder / PRUNING_FILE).write_text(json.dumps({"max_difference": difference}))
    write_tfma_files(figures, eval_config(config), folder)
    _bless(blessing, model, baseline_model, figures.verdict.blessed)


def read_eval_rows(
    config: RankerConfig, files: list[Path], candidate: str, baseline: str
) -> tuple[EvalRows, float]:
    """Predicts the eval split with the candidate, its full twin and the baseline.

    Args:
        config: of the ranker.
        files: raw examples of the eval split.
        candidate: URI of the candidate's Model artifact.
        baseline: URI of the baseline's.

    Returns:
        The rows, and the largest difference between the candidate's pruned and full
        predictions.
    """
    pruned = ExampleScorer(Path(path_utils.serving_model_path(candidate)))
    full = ExampleScorer(Path(path_utils.eval_model_path(candidate)))
    other = ExampleScorer(Path(path_utils.serving_model_path(baseline)))
    spec = key_and_label_spec(config.tasks) | _slice_spec(config)
    batches, difference = [], 0.0
    for serialized in read_examples(files):
        columns = parse_columns(serialized, spec)
        served = pruned(serialized)
        whole = full(serialized)
        difference = max(difference, *(float(np.abs(served[n] - whole[n]).max()) for n in served))
        columns |= {f"candidate/{name}": value for name, value in served.items()}
        columns |= {f"baseline/{name}": value for name, value in other(serialized).items()}
        batches.append(columns)
    merged = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    return _to_rows(config, merged), difference


def _base_rows(
    rows: EvalRows, files: list[Path], base: standard_artifacts.Model | None
) -> EvalRows | str:
    """The rows with the base's predictions in the place of the baseline's, or why there are none.

    A base knows the tasks and features of the day that it was trained on.
    """
    if base is None or (Path(base.uri) / NO_BASE_FILE).exists():
        return "there is none yet"
    scorer = ExampleScorer(Path(path_utils.serving_model_path(base.uri)))
    try:
        batches = [scorer(serialized) for serialized in read_examples(files)]
    except tf.errors.InvalidArgumentError as error:
        return f"it cannot read these examples: {error.message}"
    tasks = {
        name: replace(
            task, baseline=np.concatenate([batch[name] for batch in batches]).astype(np.float64)
        )
        for name, task in rows.tasks.items()
        if name in batches[0]
    }
    return EvalRows(rows.user_ids, tasks, {})


def _slice_spec(config: RankerConfig) -> dict[str, tf.io.FixedLenFeature]:
    words = {
        name: isinstance(config.features[name], CategoricalFeature)
        for name in config.evaluation.slices
    }
    return {
        name: tf.io.FixedLenFeature([], tf.string, "")
        if is_word
        else tf.io.FixedLenFeature([], tf.float32, float("nan"))
        for name, is_word in words.items()
    }


def _to_rows(config: RankerConfig, columns: dict[str, np.ndarray]) -> EvalRows:
    tasks = {
        task: TaskRows(
            labels=columns[label_name(task)].astype(np.float64),
            weights=columns[weight_name(task)].astype(np.float64),
            candidate=columns[f"candidate/{task}"].astype(np.float64),
            baseline=columns[f"baseline/{task}"].astype(np.float64),
        )
        for task in config.tasks
    }
    slices = {name: columns[name] for name in config.evaluation.slices}
    return EvalRows(user_ids=columns[USER_ID], tasks=tasks, slices=slices)


def _bless(
    blessing: standard_artifacts.ModelBlessing,
    model: standard_artifacts.Model,
    baseline: standard_artifacts.Model,
    blessed: bool,
) -> None:
    """Marks the artifact as TFX's own Evaluator does, so that the Pusher obeys."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
    name, value = (
        (constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE)
        if blessed
        else (constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE)
    )
    io_utils.write_string_file(str(Path(blessing.uri) / name), "")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
