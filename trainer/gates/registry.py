"""Which class makes which gate of the YAML. Imports TensorFlow when it makes one, not before."""

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BeforeValidator, SerializeAsAny

from trainer.gates.balance_options import choose_section
from trainer.gates.options import (
    GateSection,
    GumbelSoftmaxOptions,
    NoisyTopKOptions,
    SharedBottomOptions,
    SoftmaxOptions,
    TopKOptions,
)
from trainer.gates.sampled_options import SampledOptions
from trainer.gates.selector_options import AnnealedOptions, DSelectKOptions, EntropyOptions

if TYPE_CHECKING:
    from trainer.gates.base import Gate


class GateKind(NamedTuple):
    """What a name in the YAML stands for.

    Attributes:
        gate: dotted path of the `Gate` class; only a gate that is used is imported.
        options: the class of its section.
    """

    gate: str
    options: type[GateSection] = GateSection


# A gate of your own is a class, a line here, and a class of options if it has any.
GATES: dict[str, GateKind] = {
    "softmax": GateKind("trainer.gates.softmax.SoftmaxGate", SoftmaxOptions),
    "shared_bottom": GateKind("trainer.gates.shared_bottom.SharedBottomGate", SharedBottomOptions),
    "top_k": GateKind("trainer.gates.top_k.TopKGate", TopKOptions),
    "noisy_top_k": GateKind("trainer.gates.noisy_top_k.NoisyTopKGate", NoisyTopKOptions),
    "gumbel_softmax": GateKind(
        "trainer.gates.gumbel_softmax.GumbelSoftmaxGate", GumbelSoftmaxOptions
    ),
    "sampled": GateKind("trainer.gates.sampled.SampledGate", SampledOptions),
    "dselect_k": GateKind("trainer.gates.dselect_k.DSelectKGate", DSelectKOptions),
    "dselect_k_annealed": GateKind("trainer.gates.ablations.AnnealedGate", AnnealedOptions),
    "dselect_k_entropy": GateKind("trainer.gates.ablations.EntropyGate", EntropyOptions),
}


def parse_gate(value: object) -> GateSection:
    """The `gate` section as the options of its kind.

    Args:
        value: a mapping with `kind`, or options.

    Raises:
        ValueError: if the kind is unknown or an option breaks a rule.

    Example:
        >>> parse_gate({"kind": "top_k"}).experts_per_task
        2
    """
    options: GateSection = choose_section(
        {name: kind.options for name, kind in GATES.items()}, value
    )
    return options


GateOptions = SerializeAsAny[Annotated[GateSection, BeforeValidator(parse_gate)]]


def make_gate(num_tasks: int, num_experts: int, options: GateSection) -> "Gate":
    """The gate that the YAML asks for.

    Args:
        num_tasks: T.
        num_experts: n.
        options: the `gate` section.

    Example:
        >>> type(make_gate(2, 4, parse_gate({"kind": "softmax"}))).__name__
        'SoftmaxGate'
    """
    module, _, name = GATES[options.kind].gate.rpartition(".")
    gate: Gate = getattr(import_module(module), name)(num_tasks, num_experts, options)
    return gate
