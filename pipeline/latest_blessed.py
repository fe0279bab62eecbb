"""What a daily training begins from: the newest blessed model, and the baseline beside it."""

from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import Resolver, ResolverStrategy
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.channel import BaseChannel, Channel

from pipeline.components.log_example_gen import SPAN
from pipeline.config import RankerConfig
from pipeline.served.records import read_rollbacks, withdrawn_by
from trainer.config import ROLES, Role

_ID_OF = {
    "candidate": constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
    "baseline": constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
}
_NO_SPAN = -1
_INPUT, _OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


class LatestBlessed(ResolverStrategy):
    """The model of a role in the newest run whose candidate was blessed.

    TFX's own strategy knows candidates only. And a run that is repeated would begin from its own
    result, train the same examples again, and find nothing in the cache: models that were
    trained on the examples of this run are passed over. Of spans only models of earlier ones
    count, the latest first: an old day that is run again would else begin from a model that has
    seen the days after it, and end as another model than the first time.

    What was pushed and then withdrawn by a rollback counts as not blessed.

    Args:
        role: `candidate` or `baseline`.
        served: the folder that models are pushed into.
    """

    def __init__(self, role: str, served: str) -> None:
        self._id_of = _ID_OF[role]
        self._served = Path(served)

    def resolve_artifacts(
        self, store: metadata_store.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Chooses among all models and blessings of the pipeline; none if there is none."""
        models = {model.id: model for model in input_dict["model"]}
        examples = {artifact.id for artifact in input_dict["examples"]}
        today = _span_of(store, examples)
        withdrawn = _withdrawn_blessings(store, withdrawn_by(read_rollbacks(self._served)))
        newest: tuple[int, int] | None = None
        chosen: list[Artifact] = []
        for blessing in input_dict["blessing"]:
            model = models.get(blessing.get_int_custom_property(self._id_of))
            is_blessed = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
            if model is None or not is_blessed or blessing.id in withdrawn:
                continue
            seen = _inputs_of(store, {model.id})
            span = _span_of(store, seen)
            if seen & examples or (today != _NO_SPAN and span >= today):
                continue
            rank = (span if today != _NO_SPAN else _NO_SPAN, blessing.id)
            if newest is None or rank > newest:
                newest, chosen = rank, [model]
        return {key: chosen if key == "model" else [] for key in input_dict}


def find_bases(config: RankerConfig, examples: BaseChannel, served: Path) -> dict[Role, Resolver]:
    """Role -> what finds its base, of each that is to begin from one.

    Args:
        config: the whole YAML.
        examples: that are trained on.
        served: the folder that models are pushed into.
    """
    return {
        role: Resolver(
            strategy_class=LatestBlessed,
            config={"role": role, "served": str(served)},
            model=Channel(type=standard_artifacts.Model),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
            examples=examples,
        ).with_id(f"{role.title()}Base")
        for role in ROLES
        if config.trainer_config(role).training.base is not None
    }


def _withdrawn_blessings(store: metadata_store.MetadataStore, versions: frozenset[int]) -> set[int]:
    """The blessings by which some versions were pushed."""
    if not versions:
        return set()
    pushed = {
        artifact.id
        for artifact in store.get_artifacts_by_type(standard_artifacts.PushedModel.TYPE_NAME)
        if artifact.custom_properties["pushed_version"].string_value in map(str, versions)
    }
    return _inputs_of(store, pushed)


def _span_of(store: metadata_store.MetadataStore, transformed: set[int]) -> int:
    """The last span that transformed examples were made of, as LogExampleGen wrote it down."""
    for artifact in store.get_artifacts_by_id(sorted(transformed | _inputs_of(store, transformed))):
        if SPAN in artifact.custom_properties:
            return int(artifact.custom_properties[SPAN].int_value)
    return _NO_SPAN


def _inputs_of(store: metadata_store.MetadataStore, artifacts: set[int]) -> set[int]:
    """What went into the executions that some artifacts came out of."""
    made = store.get_events_by_artifact_ids(sorted(artifacts))
    executions = {event.execution_id for event in made if event.type == _OUTPUT}
    if not executions:
        return set()
    read = store.get_events_by_execution_ids(executions)
    return {event.artifact_id for event in read if event.type == _INPUT}
