"""Which model a daily training begins from."""

from pathlib import Path

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from pipeline.latest_blessed import LatestBlessed
from pipeline.served.rollback import roll_back

INPUT, OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT
TYPES = {
    "model": standard_artifacts.Model,
    "blessing": standard_artifacts.ModelBlessing,
    "examples": standard_artifacts.Examples,
    "pushed": standard_artifacts.PushedModel,
}


class Runs:
    """A store in memory; each run has examples, two models and a blessing.

    Args:
        served: the folder that its models are pushed into.
    """

    def __init__(self, served: Path) -> None:
        self.served = served
        config = metadata_store_pb2.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = metadata_store.MetadataStore(config)
        trainer = metadata_store_pb2.ExecutionType(name="Trainer")
        self.trainer = self.store.put_execution_type(trainer)
        self.artifacts = {kind: [] for kind in TYPES}

    def put(self, kind: str):
        artifact = TYPES[kind]()
        artifact.type_id = self.store.put_artifact_type(artifact.artifact_type)
        (artifact.id,) = self.store.put_artifacts([artifact.mlmd_artifact])
        self.artifacts[kind].append(artifact)
        return artifact

    def add(self, is_blessed: bool, examples=None):
        examples = examples or self.put("examples")
        models = [self.put("model") for _ in range(2)]
        for model in models:
            execution = metadata_store_pb2.Execution(type_id=self.trainer)
            (number,) = self.store.put_executions([execution])
            self.store.put_events(
                [
                    metadata_store_pb2.Event(artifact_id=a.id, execution_id=number, type=kind)
                    for a, kind in ((examples, INPUT), (model, OUTPUT))
                ]
            )
        blessing = self.put("blessing")
        for key, model in zip(("current_model_id", "baseline_model_id"), models, strict=True):
            blessing.set_int_custom_property(key, model.id)
        blessing.set_int_custom_property("blessed", int(is_blessed))
        self.push(blessing)
        return examples, models

    def push(self, blessing) -> None:
        """Each run's version is one more than that of the run before."""
        pushed = self.put("pushed")
        number = str(len(self.artifacts["pushed"]))
        pushed.mlmd_artifact.custom_properties["pushed_version"].string_value = number
        self.store.put_artifacts([pushed.mlmd_artifact])
        (self.served / number).mkdir()
        (execution,) = self.store.put_executions(
            [metadata_store_pb2.Execution(type_id=self.trainer)]
        )
        events = [(blessing, INPUT), (pushed, OUTPUT)]
        self.store.put_events(
            [
                metadata_store_pb2.Event(artifact_id=a.id, execution_id=execution, type=kind)
                for a, kind in events
            ]
        )

    def base(self, role: str, examples):
        inputs = {kind: list(found) for kind, found in self.artifacts.items()}
        strategy = LatestBlessed(role, str(self.served))
        found = strategy.resolve_artifacts(self.store, inputs | {"examples": [examples]})
        assert set(found) == set(inputs)
        return [model.id for model in found["model"]]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_without_a_blessed_model_there_is_none(runs):
    assert runs.base("candidate", runs.put("examples")) == []
    runs.add(is_blessed=False)
    assert runs.base("candidate", runs.put("examples")) == []


def test_it_is_the_newest_blessed_one_and_the_baseline_beside_it(runs):
    runs.add(is_blessed=True)
    _, (candidate, baseline) = runs.add(is_blessed=True)
    runs.add(is_blessed=False)
    today = runs.put("examples")
    assert runs.base("candidate", today) == [candidate.id]
    assert runs.base("baseline", today) == [baseline.id]


def test_a_run_that_is_repeated_does_not_begin_from_its_own_result(runs):
    _, (candidate, _) = runs.add(is_blessed=True)
    today, _ = runs.add(is_blessed=True)
    runs.add(is_blessed=True, examples=today)
    assert runs.base("candidate", today) == [candidate.id]


def of_span(runs, span: int):
    """Transformed examples whose raw ones carry TFX's span."""
    raw = runs.put("examples")
    raw.mlmd_artifact.custom_properties["span"].int_value = span
    runs.store.put_artifacts([raw.mlmd_artifact])
    transformed = runs.put("examples")
    (number,) = runs.store.put_executions([metadata_store_pb2.Execution(type_id=runs.trainer)])
    events = [(raw, INPUT), (transformed, OUTPUT)]
    runs.store.put_events(
        [
            metadata_store_pb2.Event(artifact_id=a.id, execution_id=number, type=kind)
            for a, kind in events
        ]
    )
    return transformed


def test_an_old_day_that_is_run_again_begins_from_the_day_before_it(runs):
    days = {span: runs.add(is_blessed=True, examples=of_span(runs, span)) for span in (7, 8, 9)}
    assert runs.base("candidate", days[8][0]) == [days[7][1][0].id], "the same as the first time"
    assert runs.base("baseline", of_span(runs, 8)) == [days[7][1][1].id], "late data of day 8"
    assert runs.base("candidate", of_span(runs, 7)) == []


def test_a_new_day_begins_from_the_latest_day_whatever_was_run_last(runs):
    days = {span: runs.add(is_blessed=True, examples=of_span(runs, span)) for span in (8, 7)}
    assert runs.base("candidate", of_span(runs, 9)) == [days[8][1][0].id]


def test_what_was_rolled_back_is_no_base_until_it_is_put_back(runs):
    days = {span: runs.add(is_blessed=True, examples=of_span(runs, span)) for span in (7, 8)}
    roll_back(runs.served)
    today = of_span(runs, 9)
    assert runs.base("candidate", today) == [days[7][1][0].id]
    assert runs.base("baseline", today) == [days[7][1][1].id]
    roll_back(runs.served, to=2)
    assert runs.base("candidate", today) == [days[8][1][0].id]
