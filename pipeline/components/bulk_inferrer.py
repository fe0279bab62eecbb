"""TFX's BulkInferrer, which scores whole files of examples and writes Parquet."""

import json
from pathlib import Path
from typing import Any

from tfx import components
from tfx.components.bulk_inferrer import executor as stock
from tfx.components.util import examples_utils
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.proto import bulk_inferrer_pb2
from tfx.types import Artifact

from serving.bulk_scoring.score import score_examples
from trainer.export.save import MANIFEST_FILE
from transforms.example_files.reading import find_example_files


class _Executor(stock.Executor):
    """Only how examples are read, scored and written is other than TFX's.

    TFX's way makes an element of each example, and a PredictionLog of each prediction.
    """

    def _run_model_inference(
        self,
        data_spec: bulk_inferrer_pb2.DataSpec,
        output_example_spec: bulk_inferrer_pb2.OutputExampleSpec,
        examples: list[Artifact],
        output_examples: Artifact | None,
        inference_result: Artifact,
        inference_endpoint: Any,
    ) -> None:
        del output_example_spec, output_examples
        model = Path(inference_endpoint.saved_model_spec.model_path)
        tasks = json.loads((model / MANIFEST_FILE).read_text())["tasks"]
        for split in data_spec.example_splits:
            patterns = examples_utils.get_split_file_patterns(examples, split)
            files = [Path(path) for path in find_example_files(patterns)]
            folder = Path(inference_result.uri) / f"Split-{split}"
            score_examples(model, tuple(tasks), files, folder, self._make_beam_pipeline)


class BulkInferrer(components.BulkInferrer):
    """TFX's BulkInferrer; see its documentation.

    Its InferenceResult holds a folder a split, in it a Parquet file for each file of examples,
    with the columns of `gaterank score`.
    """

    EXECUTOR_SPEC = BeamExecutorSpec(_Executor)
