"""The typed options of each gate: the `gate` section of the YAML. Imports no TensorFlow."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from trainer.gates.balance_options import BalanceOptions
from transforms.section import Section

Weight = Annotated[float, Field(ge=0.0, le=1e6)]
PerTask = Annotated[int, Field(ge=1, le=1024)]
Steps = Annotated[int, Field(ge=1, le=10**9)]
Units = Annotated[int, Field(ge=1, le=65536)]
Widths = tuple[Units, ...]
MAX_LAYERS = 16


class GateSection(Section):
    """What the options of every gate have; a gate without more options of its own uses it.

    Attributes:
        kind: the name in `trainer.gates.registry.GATES`.
        per_example: the weights depend on the example.
    """

    kind: str
    per_example: bool = False

    def count_experts(self, num_experts: int) -> int:
        """How many experts a ranker with this gate has, of `model.num_experts`."""
        return num_experts

    def count_own_experts(self, own_experts: int) -> int:
        """How many experts of its own a task has, of `model.own_experts`."""
        return own_experts

    def choose_widths(self, expert_units: Widths) -> Widths:
        """Widths of each expert's layers in a ranker with this gate, of `model.expert_units`."""
        return expert_units

    @property
    def can_be_binary(self) -> bool:
        """Whether it has selectors that training makes binary; else nothing has to converge."""
        return False


class BudgetedSection(GateSection):
    """What the options of gates with smooth selector probabilities have: a serving budget.

    Attributes:
        serving_budget: how many experts all tasks together should use, which is what
            serving must compute; null for no budget. Static gates only.
        budget_weight: lambda_U at the start, the penalty on each expected expert over the
            budget. Small: the price of what is needed is found from below.
        budget_growth: by how much log(lambda_U) grows in a step for each expert over the
            budget. With 0.005 and two experts too many the price is tenfold after 230 steps.
    """

    serving_budget: PerTask | None = None
    budget_weight: Weight = 0.01
    budget_growth: float = Field(0.005, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _budget_is_static(self) -> Self:
        if self.serving_budget is not None and self.per_example:
            raise ValueError("`serving_budget` needs a static gate. Received: per_example=True")
        return self


class SoftmaxOptions(GateSection):
    """The dense gate: every task uses every expert."""

    kind: Literal["softmax"]


class SharedBottomOptions(GateSection):
    """No gate: all tasks share one stack of layers, and there are no experts.

    Attributes:
        units: widths of its layers; null for those of one expert, `model.expert_units`. As
            wide as all n experts together it is the fair rival of n experts.
    """

    kind: Literal["shared_bottom"]
    per_example: Literal[False] = False
    units: Widths | None = Field(None, min_length=1, max_length=MAX_LAYERS)

    def count_experts(self, num_experts: int) -> int:
        """One: the shared bottom."""
        return 1

    def count_own_experts(self, own_experts: int) -> int:
        """None."""
        return 0

    def choose_widths(self, expert_units: Widths) -> Widths:
        """`units` where they are given."""
        return self.units or expert_units


class TopKOptions(GateSection):
    """Softmax over the k largest logits, exactly 0 elsewhere.

    Attributes:
        experts_per_task: k, how many experts a task uses.
        balance: how a per-example gate spreads the examples over the experts.
    """

    kind: Literal["top_k"]
    experts_per_task: PerTask = 2
    balance: SerializeAsAny[BalanceOptions] | None = None

    @model_validator(mode="after")
    def _balance_is_per_example(self) -> Self:
        check_balance(self.balance, self.per_example)
        return self


class NoisyTopKOptions(GateSection):
    """Top-k per example over logits that carry noise in training.

    Attributes:
        experts_per_task: k, how many experts a task uses.
        importance_weight: penalty on the squared coefficient of variation of the importance.
        load_weight: penalty on the squared coefficient of variation of the load.
    """

    kind: Literal["noisy_top_k"]
    per_example: Literal[True] = True
    experts_per_task: PerTask = 2
    importance_weight: Weight = 0.1
    load_weight: Weight = 0.1


class GumbelSoftmaxOptions(BudgetedSection):
    """AdaShare for experts: each is used or not by a relaxed coin; k cannot be set.

    Attributes:
        temperature: of the relaxed coins in training.
        usage_weight: lambda, penalty on the sum of log p, which drives the chances down.

    The serving budget counts an expert with the chance that any task uses it. Serving has no
    coins, so it may compute more; and where all tasks surely use an expert, a price moves
    nothing.
    """

    kind: Literal["gumbel_softmax"]
    per_example: Literal[False] = False
    temperature: float = Field(1.0, gt=0.0, le=1e6)
    usage_weight: Weight = 0.001


def check_balance(balance: Any, per_example: bool) -> None:
    """Refuses balance where no example can be sent elsewhere.

    Raises:
        ValueError: with the rule and the value.
    """
    if balance is not None and not per_example:
        raise ValueError("`balance` needs a per-example gate. Received: per_example=False")
