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
    """In training, uneven importance has a price.

    Attributes:
        weight: of the penalty.
    """

    weight: float = Field(0.5, ge=0.0, le=1e6)


class ImportanceSection(SoftBalanceSection):
    """A penalty on the squared coefficient of variation of the importance."""

    kind: Literal["importance"]


class KlSection(SoftBalanceSection):
    """A penalty on the KL divergence of the shares of importance from equal shares."""

    kind: Literal["kl"]


class HardBalanceSection(BalanceSection):
    """In training, experts with too much importance are barred."""


class RelativeSection(HardBalanceSection):
    """Bars an expert while its summed relative surplus is over the threshold.

    Attributes:
        threshold: in fair shares; 0.5 is half of one.
    """

    kind: Literal["relative"]
    threshold: float = Field(0.5, gt=0.0, le=1e6)


class MeanSection(HardBalanceSection):
    """Bars an expert while its mean share is over the fair share by the threshold.

    Attributes:
        threshold: in shares of all examples.
    """

    kind: Literal["mean"]
    threshold: float = Field(0.3, gt=0.0, le=1.0)


BALANCES: dict[str, type[BalanceSection]] = {
    "importance": ImportanceSection,
    "kl": KlSection,
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
