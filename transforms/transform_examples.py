"""TensorFlow Transform without TFX: for one stage alone, and for tests."""

import tempfile
from pathlib import Path

import tensorflow_transform.beam as tft_beam

from transforms.config import DataConfig
from transforms.engine import make_pipeline
from transforms.example_files.reading import PLACE, ExampleFiles
from transforms.example_files.writing import WriteExamples
from transforms.preprocessing import preprocessing_fn
from transforms.schema import make_schema


def transform_examples(data: DataConfig, files: dict[str, list[Path]], out: Path) -> None:
    """Analyses the train split and transforms all, as TFX's Transform does.

    Args:
        data: features and tasks.
        files: split -> TFRecord files of raw examples.
        out: gets the transform graph, and `<split>-*.gz`.
    """
    schema, custom = make_schema(data), {"data": data.model_dump_json()}
    with (
        tempfile.TemporaryDirectory(prefix="gaterank-transform-") as temp,
        make_pipeline() as pipeline,
        tft_beam.Context(temp_dir=temp, passthrough_keys={PLACE}),
    ):
        batches = {}
        for split, paths in files.items():
            source = ExampleFiles([str(p) for p in paths], schema, with_places=True)
            adapter = source.TensorAdapterConfig()
            batches[split] = (pipeline | f"Read {split}" >> source.BeamSource(), adapter)
        graph = batches["train"] | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, custom)
        )
        graph | "Write graph" >> tft_beam.WriteTransformFn(str(out))
        for split, batch in batches.items():
            (transformed, metadata) = (batch, graph) | f"Transform {split}" >> (
                tft_beam.TransformDataset(output_record_batches=True)
            )
            write = WriteExamples(metadata.schema, str(out / split), len(files[split]))
            transformed | f"Write {split}" >> write
