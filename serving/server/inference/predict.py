"""Predict: any named tensors in, any named tensors out, by a signature of a model."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from serving.server.signatures import DEFAULT_SIGNATURE, Array, Signature
from serving.server.status import Code, ServingError, invalid_argument


class Model(Protocol):
    """One loaded version of a model."""

    @property
    def name(self) -> str:
        """Under which it is served."""

    @property
    def version(self) -> int:
        """Its version."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""

    @property
    def signature_bytes(self) -> bytes:
        """A serialized tensorflow.serving.SignatureDefMap, for the metadata API."""

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        """Computes tensors of the graph: tensor name -> array in, tensor names -> arrays."""


def predict(
    model: Model,
    signature_name: str,
    inputs: Mapping[str, Array],
    output_filter: Sequence[str] = (),
) -> dict[str, Array]:
    """Runs a signature.

    Shapes are not held against the signature, as in TensorFlow Serving: what the graph
    can compute is computed.

    Args:
        model: a loaded version.
        signature_name: empty for `serving_default`.
        inputs: input -> array.
        output_filter: outputs to compute; all of them if empty.

    Returns:
        Output -> array.

    Raises:
        ServingError: if the signature is missing, the names do not fit it, or the graph
            refuses the values.
    """
    name = signature_name or DEFAULT_SIGNATURE
    signature = model.signatures.get(name)
    if signature is None:
        raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    feeds = _make_feeds(signature, inputs)
    wanted = _select_outputs(signature, output_filter)
    arrays = model.run(feeds, [signature.outputs[alias].name for alias in wanted])
    return dict(zip(wanted, arrays, strict=True))


def _make_feeds(signature: Signature, inputs: Mapping[str, Array]) -> dict[str, Array]:
    expected = signature.inputs
    if len(inputs) > len(expected) or (len(inputs) < len(expected) and not signature.defaults):
        raise invalid_argument(
            f"input size does not match signature: {len(inputs)}!={len(expected)} "
            f"len({{{_join(inputs)}}}) != len({{{_join(expected)}}}). "
            f"Sent extra: {{{_join(inputs.keys() - expected.keys())}}}. "
            f"Missing but required: {{{_join(expected.keys() - inputs.keys())}}}."
        )
    for alias, spec in expected.items():
        if alias not in inputs and alias not in signature.defaults:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {spec.name}) not found in request "
                "and no default value provided. Inputs expected to be in the request "
                f"{{{_join(inputs)}}}, or default input alias set: {_join(signature.defaults)}"
            )
    unknown = inputs.keys() - expected.keys()
    if unknown:
        raise invalid_argument(
            "Inputs contains invalid name. Used request inputs: "
            f"{_join(inputs.keys() - unknown)}, request input: {_join(inputs)}"
        )
    values = {**signature.defaults, **inputs}
    return {spec.name: values[alias] for alias, spec in expected.items()}


def _select_outputs(signature: Signature, output_filter: Sequence[str]) -> list[str]:
    selected: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_join(signature.outputs)}}}."
            )
        if alias in selected:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        selected.append(alias)
    return selected or list(signature.outputs)


def _join(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
