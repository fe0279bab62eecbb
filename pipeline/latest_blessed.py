"""What a daily training begins from: the newest blessed model, and the baseline beside it."""

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.components.evaluator import constants
from tfx.dsl.components.common.resolver import Resolver, ResolverStrategy
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.channel import BaseChannel, Channel

from pipeline.config import RankerConfig
from trainer.config import ROLES, Role

_ID_OF = {
    "candidate": constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
    "baseline": constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
}
_INPUT, _OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT


class LatestBlessed(ResolverStrategy):
    """The model of a role in the newest run whose candidate was blessed.

    TFX's own strategy knows candidates only. And a run that is repeated would begin from its own
    result, train the same examples again, and find nothing in the cache: models that were
    trained on the examples of this run are passed over.

    Args:
        role: `candidate` or `baseline`.
    """

    def __init__(self, role: str) -> None:
        self._id_of = _ID_OF[role]

    def resolve_artifacts(
        self, store: metadata_store.MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Chooses among all models and blessings of the pipeline; none if there is none."""
        models = {model.id: model for model in input_dict["model"]}
        examples = {artifact.id for artifact in input_dict["examples"]}
        chosen = []
        for blessing in sorted(input_dict["blessing"], key=lambda a: a.id, reverse=True):
            model = models.get(blessing.get_int_custom_property(self._id_of))
            is_blessed = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
            if model and is_blessed and not examples & _trained_on(store, model.id):
                chosen = [model]
                break
        return {key: chosen if key == "model" else [] for key in input_dict}


def find_bases(config: RankerConfig, examples: BaseChannel) -> dict[Role, Resolver]:
    """Role -> what finds its base, of each that is to begin from one.

    Args:
        config: the whole YAML.
        examples: that are trained on.
    """
    return {
        role: Resolver(
            strategy_class=LatestBlessed,
            config={"role": role},
            model=Channel(type=standard_artifacts.Model),
            blessing=Channel(type=standard_artifacts.ModelBlessing),
            examples=examples,
        ).with_id(f"{role.title()}Base")
        for role in ROLES
        if config.trainer_config(role).training.base is not None
    }


def _trained_on(store: metadata_store.MetadataStore, model: int) -> set[int]:
    """What went into the executions that a model came out of."""
    made = store.get_events_by_artifact_ids([model])
    executions = {event.execution_id for event in made if event.type == _OUTPUT}
    read = store.get_events_by_execution_ids(executions)
    return {event.artifact_id for event in read if event.type == _INPUT}
