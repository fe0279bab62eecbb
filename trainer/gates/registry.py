"""Which class makes which gate of the YAML."""

from trainer.gates.base import Gate
from trainer.gates.dselect_k import DSelectKGate
from trainer.gates.options import GateOptions
from trainer.gates.softmax import SoftmaxGate
from trainer.gates.top_k import TopKGate

GATES: dict[str, type[Gate]] = {
    "softmax": SoftmaxGate,
    "top_k": TopKGate,
    "dselect_k": DSelectKGate,
}


def make_gate(num_tasks: int, num_experts: int, options: GateOptions) -> Gate:
    """The gate that the YAML asks for.

    Args:
        num_tasks: T.
        num_experts: n.
        options: the `gate` section.

    Example:
        >>> from trainer.gates.options import SoftmaxOptions
        >>> type(make_gate(2, 4, SoftmaxOptions(kind="softmax"))).__name__
        'SoftmaxGate'
    """
    return GATES[options.kind](num_tasks, num_experts, options)
