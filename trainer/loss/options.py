"""The typed options of `training.loss_balance`. Imports no TensorFlow."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from trainer.gates.balance_options import choose_section
from transforms.section import Section


class LossBalanceSection(Section):
    """How much each task's loss counts in a step, besides its `weight`.

    Attributes:
        kind: `fixed`, `uncertainty`, `gradnorm` or `pcgrad`.
    """

    kind: str


class FixedOptions(LossBalanceSection):
    """Each loss counts its `weight`, from the first step to the last."""

    kind: Literal["fixed"]


class UncertaintyOptions(LossBalanceSection):
    """Each loss is divided by a trained variance of its labels' noise."""

    kind: Literal["uncertainty"]


class GradNormOptions(LossBalanceSection):
    """Losses count so that their gradients are alike, larger where a task learns slowly.

    Attributes:
        asymmetry: alpha; 0 makes all gradients equal, more pulls slow tasks harder.
        learning_rate: of the weights.
    """

    kind: Literal["gradnorm"]
    asymmetry: float = Field(1.5, ge=0.0, le=10.0)
    learning_rate: float = Field(0.025, gt=0.0, le=1.0)


class PcgradOptions(LossBalanceSection):
    """What one task's gradient undoes of another's is taken out of it."""

    kind: Literal["pcgrad"]


LOSS_BALANCES: dict[str, type[LossBalanceSection]] = {
    "fixed": FixedOptions,
    "uncertainty": UncertaintyOptions,
    "gradnorm": GradNormOptions,
    "pcgrad": PcgradOptions,
}


def parse_loss_balance(value: Any) -> LossBalanceSection:
    """The `loss_balance` section as the options of its kind.

    Args:
        value: a kind, a mapping with `kind`, or options.

    Raises:
        ValueError: if the kind is unknown or an option breaks a rule.

    Example:
        >>> parse_loss_balance("gradnorm").asymmetry
        1.5
    """
    section = {"kind": value} if isinstance(value, str) else value
    options: LossBalanceSection = choose_section(LOSS_BALANCES, section)
    return options


LossBalanceOptions = SerializeAsAny[
    Annotated[LossBalanceSection, BeforeValidator(parse_loss_balance)]
]
