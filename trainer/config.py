"""The part of the YAML that the trainer reads: gate, model, training and the score."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trainer.gates.options import MAX_LAYERS, GateSection, Widths
from trainer.gates.registry import GateOptions
from trainer.gates.selector_options import DSelectKOptions
from trainer.score import parse_score
from trainer.strategies.options import OneDeviceOptions, StrategyOptions
from transforms.features import Features
from transforms.section import Section
from transforms.tasks import Tasks

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
        num_experts: n.
        expert_units: widths of each expert's ReLU layers.
        tower_units: widths of each task's tower before its logit.
        embedding_dim: width of an embedding where the feature names none.
        cross_layers: DCN-v2 cross layers between the inputs and the experts.
        wide: adds to each task's logit a linear function of the inputs (wide and deep), which
            learns a rare task's strongest signals when its tower has few positives to
            learn from.
        input_dropout: share of the shared input hidden in training.
        expert_dropout: after each expert layer.
        tower_dropout: after each tower layer.
        position: the position tower; null for none.
    """

    num_experts: int = Field(8, ge=1, le=1024)
    expert_units: Widths = Field((256,), min_length=1, max_length=MAX_LAYERS)
    tower_units: Widths = Field((64,), max_length=MAX_LAYERS)
    embedding_dim: int = Field(16, ge=1, le=1024)
    cross_layers: int = Field(1, ge=0, le=8)
    wide: bool = False
    input_dropout: Rate = 0.0
    expert_dropout: Rate = 0.0
    tower_dropout: Rate = 0.0
    position: PositionTower | None = None


class Training(Section):
    """The `training` section.

    Attributes:
        optimizer: `adam`, `adagrad` or `sgd`.
        learning_rate: of the optimizer, at the start.
        final_learning_rate: share of it that is left after `max_epochs`, along half a cosine
            wave; 1 keeps it constant.
        batch_size: examples a step, over all replicas.
        max_epochs: an upper bound; early stopping usually ends training sooner.
        patience: epochs without a better validation loss until training stops.
        l2: penalty on the kernels of cross layers, experts, towers and wide part: the sum of
            squares.
        embedding_l2: penalty on the rows that a batch looks up, mean square a row.
        seed: of the initialisation, of shuffling and of dropout.
        strategy: the devices and processes that train: `one_device`, `mirrored`,
            `multi_worker`, `parameter_server` or `tpu`, or a section with `kind`.
    """

    optimizer: Literal["adam", "adagrad", "sgd"] = "adam"
    learning_rate: float = Field(0.001, gt=0.0, le=10.0)
    final_learning_rate: float = Field(1.0, ge=0.0, le=1.0)
    batch_size: int = Field(512, ge=1, le=1_000_000)
    max_epochs: int = Field(20, ge=1, le=10_000)
    patience: int = Field(3, ge=1, le=1000)
    l2: float = Field(0.0, ge=0.0, le=1e3)
    embedding_l2: float = Field(0.0, ge=0.0, le=1e3)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    strategy: StrategyOptions = OneDeviceOptions()


class TrainerConfig(Section):
    """All that `run_fn` needs; the candidate and the baseline differ in `gate` only.

    Attributes:
        features: the model's inputs.
        tasks: the model's outputs.
        gate: which experts a task uses.
        model: the network.
        training: how it is trained.
        score: formula over the tasks' predictions, what candidates are sorted by.
    """

    features: Features
    tasks: Tasks
    gate: GateOptions = DSelectKOptions(kind="dselect_k")
    model: Model = Model()
    training: Training = Training()
    score: str = Field(max_length=10_000)

    @model_validator(mode="after")
    def _sections_fit(self) -> "TrainerConfig":
        check_gate(self.gate, self.model)
        parse_score(self.score, tuple(self.tasks))
        return self

    @property
    def num_experts(self) -> int:
        """How many experts the ranker has: `model.num_experts`, or 1 for a shared bottom."""
        return self.gate.count_experts(self.model.num_experts)

    @property
    def expert_units(self) -> Widths:
        """Widths of each expert's layers: `model.expert_units`, unless the gate has its own."""
        return self.gate.choose_widths(self.model.expert_units)


def check_gate(gate: GateSection, model: Model) -> None:
    """Refuses a gate that selects more experts than there are.

    Raises:
        ValueError: with the rule and both numbers.
    """
    experts_per_task = getattr(gate, "experts_per_task", 1)
    if experts_per_task > model.num_experts:
        raise ValueError(
            "gate: `experts_per_task` must be at most `num_experts`. Received: "
            f"experts_per_task={experts_per_task}, num_experts={model.num_experts}"
        )
