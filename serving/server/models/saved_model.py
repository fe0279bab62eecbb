"""A SavedModel in TensorFlow's runtime.

It runs in a session on the graph that the file holds, fed and fetched by tensor names,
as TensorFlow Serving runs it: shapes are not held against the signature, and errors read
the same. A session also frees its variables when it is closed, not when Python gets to it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.server.signatures import Array, Signature, TensorSpec, type_name
from serving.server.status import Code, ServingError, invalid_argument
from serving.server.tensors import dtype_name, read_tensor

_TAGS = [tf.saved_model.SERVING]
_MAX_CALLABLES = 64
# What protobuf's C++ library puts before the text of a message.
_DEBUG_PREFIX = "goo.gle/debugonly    \n"


class SavedModel:
    """One loaded version of a model.

    Args:
        name: under which it is served.
        version: its version.
        path: the folder of the SavedModel.

    Raises:
        ServingError: if it cannot be loaded; the message says why.
    """

    def __init__(self, name: str, version: int, path: Path) -> None:
        self.name = name
        self.version = version
        self.path = path
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        self._callables: OrderedDict[Any, Callable[..., list[Any]]] = OrderedDict()
        self._types: dict[str, str] = {}
        self._lock = threading.Lock()
        try:
            definitions = _load(self._session, path).signature_def
        except BaseException:
            self._session.close()
            raise
        self.signatures: Mapping[str, Signature] = {
            key: _read_signature(definition) for key, definition in sorted(definitions.items())
        }
        self.signature_bytes: bytes = get_model_metadata_pb2.SignatureDefMap(
            signature_def=definitions
        ).SerializeToString()

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        """Computes tensors of the graph.

        Args:
            feeds: tensor name -> array.
            fetches: tensor names.

        Returns:
            An array a fetch.

        Raises:
            ServingError: with TensorFlow's code and message.
        """
        names = tuple(sorted(feeds))
        self._check_types(names, feeds)
        unique = tuple(dict.fromkeys(fetches))
        try:
            compute = self._callable(names, unique)
            values = compute(*(feeds[name] for name in names))
        except tf.errors.OpError as error:
            raise ServingError(Code(error.error_code), error.message) from None
        except UnicodeDecodeError as error:
            # TensorFlow's message quotes the request, which may hold any bytes.
            raise invalid_argument(error.object.decode("utf-8", "replace")) from None
        arrays = dict(zip(unique, map(_to_array, values), strict=True))
        return [arrays[name] for name in fetches]

    def close(self) -> None:
        """Frees the model; no call may be running."""
        self._callables.clear()
        self._session.close()

    def _check_types(self, names: Sequence[str], feeds: Mapping[str, Array]) -> None:
        for index, name in enumerate(names):
            expected = self._types.get(name)
            if expected is None:
                dtype = self._session.graph.get_tensor_by_name(name).dtype
                expected = self._types[name] = dtype_name(dtype.as_datatype_enum)
            provided = type_name(feeds[name])
            if provided != expected:
                raise invalid_argument(
                    f"Expects arg[{index}] to be {expected} but {provided} is provided"
                )

    def _callable(
        self, feeds: tuple[str, ...], fetches: tuple[str, ...]
    ) -> Callable[..., list[Any]]:
        """The graph pruned to some feeds and fetches; the latest ones are kept."""
        key = (feeds, fetches)
        with self._lock:
            if key in self._callables:
                self._callables.move_to_end(key)
                return self._callables[key]
        compute = _make_callable(self._session, feeds, fetches)
        with self._lock:
            self._callables[key] = compute
            if len(self._callables) > _MAX_CALLABLES:
                self._callables.popitem(last=False)
        return compute


def _make_callable(
    session: tf.compat.v1.Session, feeds: Sequence[str], fetches: Sequence[str]
) -> Callable[..., list[Any]]:
    # `Session.run` does the same, but checks every feed in Python, which costs more than
    # a small model computes, and refuses shapes that TensorFlow Serving lets pass.
    options = config_pb2.CallableOptions(feed=feeds, fetch=fetches)
    made: Callable[..., list[Any]] = session._make_callable_from_options(options)
    return made


def _load(session: tf.compat.v1.Session, path: Path) -> meta_graph_pb2.MetaGraphDef:
    if not any((path / file).is_file() for file in ("saved_model.pb", "saved_model.pbtxt")):
        raise ServingError(
            Code.NOT_FOUND,
            "Could not find SavedModel .pb or .pbtxt at supplied export directory path: "
            f"{path}. Check that the directory exists and that you have the right "
            "permissions for accessing it.",
        )
    try:
        with session.graph.as_default():
            return tf.compat.v1.saved_model.load(session, _TAGS, str(path))
    except tf.errors.OpError as error:
        raise ServingError(Code(error.error_code), error.message) from None
    except Exception as error:  # a broken file can make TensorFlow's loader raise anything
        message = f"{path} cannot be loaded: {type(error).__name__}: {error}"
        raise ServingError(Code.DATA_LOSS, message) from error


def _read_signature(definition: meta_graph_pb2.SignatureDef) -> Signature:
    return Signature(
        inputs=_read_specs(definition.inputs),
        outputs=_read_specs(definition.outputs),
        defaults={alias: read_tensor(proto, alias) for alias, proto in definition.defaults.items()},
        method_name=definition.method_name,
        debug_string=_DEBUG_PREFIX + text_format.MessageToString(definition),
    )


def _read_specs(infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, TensorSpec]:
    return {
        alias: TensorSpec(
            info.name,
            dtype_name(info.dtype),
            None
            if info.tensor_shape.unknown_rank
            else tuple(dim.size for dim in info.tensor_shape.dim),
        )
        for alias, info in sorted(infos.items())
    }


def _to_array(value: Any) -> Array:
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)
