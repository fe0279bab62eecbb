"""What can be asked of a server, as values that a transport sends: all of it only reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from serving.ranking.signature import RankSignature, Signature, TensorSpec, read_rank_signature

T_co = TypeVar("T_co", covariant=True)
Array = npt.NDArray[Any]


class Operation(Generic[T_co]):
    """A question whose answer is a T; asking it twice changes nothing."""


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """The state of one version.

    Attributes:
        version: its number.
        state: `AVAILABLE` if it answers requests.
        error_code: `OK`, or why it could not be loaded.
        error_message: the same in words.
    """

    version: int
    state: str
    error_code: str
    error_message: str


@dataclass(frozen=True)
class ModelMetadata:
    """One version of a model.

    Attributes:
        name: of the model.
        version: that these signatures are of.
        signatures: name -> signature.
    """

    name: str
    version: int
    signatures: Mapping[str, Signature]

    @cached_property
    def rank_signature(self) -> RankSignature:
        """What the signature `rank` reads.

        Raises:
            InputError: if the model cannot rank.
        """
        return read_rank_signature(self.signatures)


class AskStatus(Operation[tuple[VersionStatus, ...]]):
    """The states of the model's versions."""


class AskMetadata(Operation[ModelMetadata]):
    """The model's signatures."""


@dataclass(frozen=True, slots=True, eq=False)
class Predict(Operation[dict[str, Array]]):
    """Runs a signature.

    Attributes:
        signature: its name.
        inputs: input -> array of the signature's type; strings as objects.
        outputs: what the signature answers, as far as is known.
    """

    signature: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, TensorSpec]


NUMPY_TYPES: Mapping[str, npt.DTypeLike] = {
    "DT_FLOAT": np.float32,
    "DT_DOUBLE": np.float64,
    "DT_HALF": np.float16,
    "DT_INT8": np.int8,
    "DT_INT16": np.int16,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_UINT16": np.uint16,
    "DT_UINT32": np.uint32,
    "DT_UINT64": np.uint64,
    "DT_BOOL": np.bool_,
    "DT_STRING": object,
}
"""TensorFlow's name of a type -> NumPy's, for the types that the client carries."""
