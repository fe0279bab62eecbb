"""The typed options of each gate: the `gate` section of the YAML. Imports no TensorFlow."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from transforms.section import Section

Weight = Annotated[float, Field(ge=0.0, le=1e6)]


class SoftmaxOptions(Section):
    """The dense gate: every task uses every expert.

    Attributes:
        per_example: the weights depend on the example.
    """

    kind: Literal["softmax"]
    per_example: bool = False


class TopKOptions(Section):
    """softmax over the k largest logits, 0 elsewhere (METHODS: Top-k).

    Attributes:
        experts_per_task: k.
        per_example: the weights depend on the example.
    """

    kind: Literal["top_k"]
    experts_per_task: int = Field(2, ge=1, le=1024)
    per_example: bool = False


class DSelectKOptions(Section):
    """DSelect-k: k smooth-step selectors, each binary after convergence.

    Attributes:
        experts_per_task: k, the number of selectors.
        beta: width of the smooth-step function, > 0.
        entropy_weight: lambda, drives every selector to one expert.
        unreachable_weight: lambda_u, penalty on the mass of codes without an expert
            (only where the number of experts is not a power of two).
        serving_budget: how many experts all tasks together should use, which is what
            serving must compute; None for no budget.
        budget_weight: lambda_U, penalty on each expected expert over the budget.
        per_example: the selectors depend on the example.
    """

    kind: Literal["dselect_k"]
    experts_per_task: int = Field(2, ge=1, le=1024)
    beta: float = Field(1.0, gt=0.0, le=1e6)
    entropy_weight: Weight = 0.01
    unreachable_weight: Weight = 1.0
    serving_budget: int | None = Field(None, ge=1, le=1024)
    budget_weight: Weight = 1.0
    per_example: bool = False

    @model_validator(mode="after")
    def _budget_is_static(self) -> "DSelectKOptions":
        if self.serving_budget is not None and self.per_example:
            raise ValueError("`serving_budget` needs a static gate. Received: per_example=True")
        return self


GateOptions = Annotated[SoftmaxOptions | TopKOptions | DSelectKOptions, Field(discriminator="kind")]
