"""The `model` section of the YAML: the network. Imports no TensorFlow."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from trainer.gates.options import MAX_LAYERS, Units, Widths
from transforms.section import Section

MAX_EXPERTS = 1024
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]


class PositionTower(Section):
    """A shallow tower that explains away where an item was shown (Zhao et al., RecSys 2019).

    Its logit is added to the main one in training. Serving asks for position 1 for
    every candidate, so the score compares items as if each were shown first.

    Attributes:
        max_position: later positions share one embedding.
        dropout: share of training examples whose position is hidden.
    """

    max_position: int = Field(50, ge=1, le=10_000)
    dropout: Rate = 0.1


class Model(Section):
    """The `model` section: the multi-gate mixture of experts.

    Attributes:
        num_experts: that all tasks share.
        own_experts: that each task has besides, which no other task may use (CGC).
        extraction_levels: of experts, each of as many as the others. More than one needs own
            experts (PLE): a task's own read what its gate made of the level before, the
            shared ones what a gate of theirs made of it.
        expert_units: widths of each expert's ReLU layers.
        tower_units: widths of each task's tower before its logit.
        embedding_dim: width of an embedding where the feature names none.
        attention_units: width of the layer that weighs a list's words; see `TargetAttention`.
        cross_layers: DCN-v2 cross layers between the inputs and the experts.
        wide: adds to each task's logit a linear function of the inputs (wide and deep), which
            learns a rare task's strongest signals when its tower has few positives to
            learn from.
        input_dropout: share of the shared input hidden in training.
        expert_dropout: after each expert layer.
        tower_dropout: after each tower layer.
        position: the position tower; null for none.
    """

    num_experts: int = Field(8, ge=1, le=MAX_EXPERTS)
    own_experts: int = Field(0, ge=0, le=64)
    extraction_levels: int = Field(1, ge=1, le=8)
    expert_units: Widths = Field((256,), min_length=1, max_length=MAX_LAYERS)
    tower_units: Widths = Field((64,), max_length=MAX_LAYERS)
    embedding_dim: int = Field(16, ge=1, le=1024)
    attention_units: Units = 32
    cross_layers: int = Field(1, ge=0, le=8)
    wide: bool = False
    input_dropout: Rate = 0.0
    expert_dropout: Rate = 0.0
    tower_dropout: Rate = 0.0
    position: PositionTower | None = None

    @model_validator(mode="after")
    def _levels_have_own_experts(self) -> Self:
        if self.extraction_levels > 1 and not self.own_experts:
            raise ValueError(
                "more than one of `extraction_levels` needs `own_experts`. Received: "
                f"extraction_levels={self.extraction_levels}, own_experts=0"
            )
        return self
