"""TensorFlow Transform without TFX: for one stage alone, and for tests."""

import tempfile
from pathlib import Path

import apache_beam as beam
import tensorflow_transform.beam as tft_beam
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.public import tfxio

from transforms.config import DataConfig
from transforms.engine import make_pipeline
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
        tft_beam.Context(temp_dir=temp),
    ):
        batches = {}
        for split, paths in files.items():
            source = tfxio.TFExampleRecord([str(p) for p in paths], schema=schema)
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
            encoder = RecordBatchToExamplesEncoder(metadata.schema)
            (
                transformed
                | f"Encode {split}" >> beam.FlatMapTuple(lambda b, _, e=encoder: e.encode(b))
                | f"Write {split}"
                >> beam.io.WriteToTFRecord(str(out / split), file_name_suffix=".gz")
            )
