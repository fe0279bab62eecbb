"""The typed options of balance: `balance` in the `gate` section. Imports no TensorFlow."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from transforms.section import Section, SectionT


class BalanceSection(Section):
    """What the options of every kind of balance have.

    Attributes:
        kind: `importance` or `kl` (a penalty), `relative` or `mean` (experts are barred).
    """

    kind: str

    @property
    def is_hard(self) -> bool:
        """Whether experts are barred, in place of a penalty."""
        return isinstance(self, HardBalanceSection)


class SoftBalanceSection(BalanceSection):
    """A penalty on uneven importance.

    Attributes:
        kind: `importance` (squared coefficient of variation) or `kl` (from uniform).
        weight: w.
    """

    kind: Literal["importance", "kl"]
    weight: float = Field(0.5, ge=0.0, le=1e6)


class HardBalanceSection(BalanceSection):
    """In training, experts with too much importance are barred."""


class RelativeSection(HardBalanceSection):
    """Bars an expert while its summed relative surplus is over the threshold.

    Attributes:
        threshold: 0.5 is half a fair share.
    """

    kind: Literal["relative"]
    threshold: float = Field(0.5, gt=0.0, le=1e6)


class MeanSection(HardBalanceSection):
    """Bars an expert while its mean share is over the fair share by the threshold.

    Attributes:
        threshold: share of all examples.
    """

    kind: Literal["mean"]
    threshold: float = Field(0.3, gt=0.0, le=1.0)


BALANCES: dict[str, type[BalanceSection]] = {
    "importance": SoftBalanceSection,
    "kl": SoftBalanceSection,
    "relative": RelativeSection,
    "mean": MeanSection,
}


def choose_section(sections: dict[str, type[SectionT]], value: Any) -> Any:
    """Validates a mapping as the section that its `kind` names.

    Args:
        sections: kind -> class.
        value: a mapping; a section that is made already is left as it is.

    Raises:
        ValueError: if there is no such kind.
    """
    if isinstance(value, Section):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"must be a mapping with `kind`. Received: {value!r:.200}")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in sections:
        raise ValueError(f"`kind` must be one of {', '.join(sections)}. Received: {kind!r:.200}")
    return sections[kind].model_validate(value)


BalanceOptions = Annotated[
    BalanceSection, BeforeValidator(lambda value: choose_section(BALANCES, value))
]
