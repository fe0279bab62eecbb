"""The pipeline on one page: from log files to a pushed ranker and its report."""

from tfx.components import ExampleValidator, Pusher, Trainer, Tuner
from tfx.dsl.components.base import executor_spec
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import bulk_inferrer_pb2, pusher_pb2, trainer_pb2

from pipeline.code_version import code_version
from pipeline.components import push_model
from pipeline.components.bulk_examples import StatisticsGen, Transform
from pipeline.components.bulk_inferrer import BulkInferrer
from pipeline.components.check_anomalies import CheckAnomalies
from pipeline.components.check_ingest import CheckIngest
from pipeline.components.check_serving import CheckServing
from pipeline.components.curated_schema import CuratedSchema
from pipeline.components.evaluate_ranker import EvaluateRanker
from pipeline.components.log_example_gen import LogExampleGen
from pipeline.components.package_model import PackageModel
from pipeline.components.report_gates import ReportGates
from pipeline.config import RankerConfig
from pipeline.latest_blessed import find_bases
from pipeline.places import Places
from pipeline.served.seal import Seal
from pipeline.stand_ins import StandIns
from pipeline.workspace import metadata_connection
from trainer.config import ROLES


def create_pipeline(
    config: RankerConfig,
    places: Places,
    beam_pipeline_args: list[str],
    span: int | None = None,
    stand_ins: StandIns | None = None,
) -> Pipeline:
    """Composes the components; every orchestrator runs this same pipeline.

    Args:
        config: the whole YAML.
        places: where it reads and writes.
        beam_pipeline_args: of every component that runs on Beam.
        span: with `logs.spans`: the last one to train on; by default the newest complete one.
        stand_ins: of an orchestrator that runs no drivers and no resolvers: what it runs instead.

    Returns:
        The TFX pipeline, named after the ranker.
    """
    data = config.data_config()
    data_code, trainer_code = code_version("transforms"), code_version("transforms", "trainer")
    whole_code = code_version("transforms", "trainer", "serving", "pipeline")
    ranker = config.without_engine().model_dump_json()

    # Logs -> tf.Examples of two splits, dead letters, counts; only new spans are read.
    examples = LogExampleGen(
        data=data,
        logs=places.logs,
        code_version=data_code,
        store=places.spans,
        span=span,
        found=stand_ins.inputs.outputs if stand_ins else None,
    )
    check_ingest = CheckIngest(
        ingestion=examples.outputs["ingestion"],
        data=data.model_dump_json(),
        code_version=data_code,
    )

    # Statistics against the schema that the YAML implies; an anomaly stops the run.
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    statistics.add_upstream_node(check_ingest)
    schema = CuratedSchema(data=data.model_dump_json(), code_version=data_code)
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    check_anomalies = CheckAnomalies(anomalies=validator.outputs["anomalies"])

    # Features for the model; serving runs the same graph.
    transform = Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="transforms.preprocessing.preprocessing_fn",
        custom_config={"data": data.model_dump_json(), "code_version": data_code},
        disable_statistics=True,
        disable_analyzer_cache=True,
    )
    transform.add_upstream_node(check_anomalies)

    # With `tuning.in_pipeline`: both are searched alike, and trained with what was found.
    tuners = (
        {
            role: Tuner(
                tuner_fn="trainer.tuning.tuner_fn.tuner_fn",
                examples=transform.outputs["transformed_examples"],
                transform_graph=transform.outputs["transform_graph"],
                schema=schema.outputs["schema"],
                train_args=trainer_pb2.TrainArgs(),
                eval_args=trainer_pb2.EvalArgs(),
                custom_config={
                    "role": role,
                    "trainer": config.trainer_config(role).model_dump_json(),
                    "tuning": config.tuning.model_dump_json(),
                    "folder": str(places.trials),
                    "code_version": trainer_code,
                },
            ).with_id(f"{role.title()}Tuner")
            for role in ROLES
        }
        if config.tuning is not None and config.tuning.in_pipeline
        else {}
    )

    # With `training.base`: what each begins from, of the newest run that was blessed.
    bases = (
        stand_ins.bases
        if stand_ins
        else find_bases(config, transform.outputs["transformed_examples"], places.served)
    )

    # Same data, seeds and budget; only the gate differs.
    candidate, baseline = (
        Trainer(
            run_fn="trainer.run_fn.run_fn",
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            schema=schema.outputs["schema"],
            hyperparameters=(
                tuners[role].outputs["best_hyperparameters"] if role in tuners else None
            ),
            base_model=bases[role].outputs["model"] if role in bases else None,
            train_args=trainer_pb2.TrainArgs(),
            eval_args=trainer_pb2.EvalArgs(),
            custom_config={
                "trainer": config.trainer_config(role).model_dump_json(),
                "code_version": trainer_code,
                "checkpoints": str(places.checkpoints),
            },
        ).with_id(f"{role.title()}Trainer")
        for role in ROLES
    )

    # Blessed only if every threshold of the YAML holds: against the baseline, and the base.
    evaluator = EvaluateRanker(
        examples=examples.outputs["examples"],
        model=candidate.outputs["model"],
        baseline_model=baseline.outputs["model"],
        base_model=bases["candidate"].outputs["model"] if "candidate" in bases else None,
        ranker=ranker,
        code_version=whole_code,
    )

    models = (candidate.outputs["model"], baseline.outputs["model"])
    keepers = stand_ins.keep(places, *models, evaluator.outputs["blessing"]) if stand_ins else []

    # What is pushed: the candidate, and the history that its features start from.
    package = PackageModel(
        model=candidate.outputs["model"], ingestion=examples.outputs["ingestion"]
    )
    check_serving = CheckServing(
        model=package.outputs["packaged"], examples=examples.outputs["examples"]
    )

    # With `bulk_inference`: scores of this run's examples, if the candidate was blessed.
    inferrers = (
        [
            BulkInferrer(
                examples=examples.outputs["examples"],
                model=package.outputs["packaged"],
                model_blessing=evaluator.outputs["blessing"],
                data_spec=bulk_inferrer_pb2.DataSpec(example_splits=config.bulk_inference.splits),
            )
        ]
        if config.bulk_inference is not None
        else []
    )

    # Pushed with a manifest, all at once, only if blessed by both.
    pusher = Pusher(
        model=package.outputs["packaged"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=check_serving.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(places.served))
        ),
        custom_config=Seal(config.name, places.signing_key).config(),
        custom_executor_spec=executor_spec.ExecutorClassSpec(push_model.Executor),
    )

    # One page for people, also for a model that was refused.
    report = ReportGates(
        ingestion=examples.outputs["ingestion"],
        anomalies=validator.outputs["anomalies"],
        candidate_run=candidate.outputs["model_run"],
        baseline_run=baseline.outputs["model_run"],
        model=candidate.outputs["model"],
        baseline_model=baseline.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        pushed_model=pusher.outputs["pushed_model"],
        ranker=ranker,
        logs=places.logs,
        code_version=whole_code,
    )

    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=str(places.root),
        components=[
            *([stand_ins.inputs] if stand_ins else []),
            examples,
            check_ingest,
            statistics,
            schema,
            validator,
            check_anomalies,
            transform,
            *tuners.values(),
            *bases.values(),
            candidate,
            baseline,
            evaluator,
            *keepers,
            package,
            check_serving,
            *inferrers,
            pusher,
            report,
        ],
        enable_cache=True,
        metadata_connection_config=metadata_connection(places.metadata),
        beam_pipeline_args=beam_pipeline_args,
    )
