"""Computes a batch: joins its requests row by row, and takes their answers apart."""

from collections.abc import Mapping, Sequence

import numpy as np

from serving.server.batching.parameters import BatchingParameters
from serving.server.batching.queues import Batch, Part
from serving.server.signatures import Array
from serving.server.status import Code, ServingError, invalid_argument


def compute_batch(batch: Batch, parameters: BatchingParameters) -> None:
    """Computes a batch and gives each request its answer, or the error that is its own.

    If the whole cannot be computed, each request is, alone: what one sends is then no
    other's error.

    Args:
        batch: taken from its queue.
        parameters: how it is filled up.
    """
    try:
        try:
            answers = _compute_joined(batch, parameters)
        except ServingError:
            for part in batch.parts:
                _answer_alone(batch, part)
            return
        for part, answer in zip(batch.parts, answers, strict=True):
            part.answer.set_result(answer)
    except BaseException as error:
        # Whatever it is, no request may wait for ever; the bug is told where it waits.
        for part in batch.parts:
            if not part.answer.done():
                part.answer.set_exception(error)


def _compute_joined(batch: Batch, parameters: BatchingParameters) -> list[list[Array]]:
    size = parameters.padded_size(batch.size)
    if len(batch.parts) == 1 and size == batch.size:
        return [_run_part(batch, batch.parts[0])]
    outputs = batch.run(_join(batch.parts, size - batch.size))
    _check_rows(outputs, size)
    ends = np.cumsum([part.size for part in batch.parts])
    return [
        [output[end - part.size : end] for output in outputs]
        for part, end in zip(batch.parts, ends.tolist(), strict=True)
    ]


def _answer_alone(batch: Batch, part: Part) -> None:
    try:
        part.answer.set_result(_run_part(batch, part))
    except ServingError as error:
        part.answer.set_exception(error)


def _run_part(batch: Batch, part: Part) -> list[Array]:
    outputs = batch.run(part.feeds)
    if part.is_slice:
        _check_rows(outputs, part.size)
    return outputs


def _check_rows(outputs: Sequence[Array], size: int) -> None:
    """Refuses outputs that cannot be taken apart, in TensorFlow Serving's words."""
    if any(output.ndim == 0 for output in outputs):
        raise ServingError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
    if any(len(output) != size for output in outputs):
        raise ServingError(
            Code.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
            "sizes of the input tensors",
        )


def _join(parts: Sequence[Part], padding: int) -> Mapping[str, Array]:
    joined: dict[str, Array] = {}
    for name in parts[0].feeds:
        arrays = _equal_rows([part.feeds[name] for part in parts])
        # A row of a request that was sent is always fit to fill up with.
        filling = [arrays[-1][:1]] * padding
        joined[name] = np.concatenate([*arrays, *filling])
    return joined


def _equal_rows(arrays: list[Array]) -> list[Array]:
    """The arrays with rows of the largest size, filled up with each one's first value."""
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) == 1:
        return arrays
    if any(array.size == 0 for array in arrays):
        raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
    largest = np.max(list(shapes), axis=0)
    padded = []
    for array in arrays:
        full = np.full((len(array), *largest), array.flat[0], array.dtype)
        full[tuple(map(slice, array.shape))] = array
        padded.append(full)
    return padded
