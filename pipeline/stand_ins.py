"""Components in place of TFX's drivers and resolvers, which Kubeflow Pipelines does not run.

There the folder of bases is the memory from day to day that ML Metadata is elsewhere.
"""

from typing import Any, NamedTuple

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types.channel import BaseChannel

from pipeline.code_version import code_version
from pipeline.components.find_inputs import FindInputs
from pipeline.components.keep_bases import KeepBases
from pipeline.components.load_base import LoadBase
from pipeline.config import RankerConfig
from pipeline.places import Places
from trainer.config import ROLES, Role

SPAN_PARAMETER = "span"


class StandIns(NamedTuple):
    """What runs in place of drivers and resolvers.

    Attributes:
        inputs: finds the span, the state of the logs and the base.
        bases: role -> what gives its base, of each that is to begin from one.
    """

    inputs: BaseComponent
    bases: dict[Role, BaseComponent]

    def keep(
        self, places: Places, model: BaseChannel, baseline_model: BaseChannel, blessing: BaseChannel
    ) -> list[BaseComponent]:
        """What keeps the bases of this run for later ones, if any role begins from one."""
        if not self.bases:
            return []
        keeper: Any = KeepBases(
            model=model,
            baseline_model=baseline_model,
            blessing=blessing,
            span=self.inputs.outputs["last"].future()[0].value,
            bases=str(places.bases),
        )
        return [keeper]


def make_stand_ins(config: RankerConfig, places: Places) -> StandIns:
    """Makes them; the span is a parameter of each run.

    Args:
        config: the whole YAML.
        places: where it reads and writes.
    """
    begin_from_one = [
        role for role in ROLES if config.trainer_config(role).training.base is not None
    ]
    inputs: Any = FindInputs(
        logs=places.logs,
        span=RuntimeParameter(name=SPAN_PARAMETER, default="", ptype=str),
        data=config.data_config().model_dump_json(),
        bases=str(places.bases) if begin_from_one else "",
        served=str(places.served),
        code_version=code_version("transforms"),
    )
    bases: dict[Role, Any] = {
        role: LoadBase(
            role=role,
            base=inputs.outputs["base"].future()[0].value,
            bases=str(places.bases),
        ).with_id(f"{role.title()}Base")
        for role in begin_from_one
    }
    return StandIns(inputs, bases)
