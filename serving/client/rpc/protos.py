"""TensorFlow Serving's messages without TensorFlow.

tensorflow-serving-api's generated modules import generated modules of TensorFlow, and to
import any of those runs all of `tensorflow/__init__.py`, for seconds. Each of them holds
its file's descriptor as one literal. Here the modules' sources are read, not run, and the
descriptors put into a pool of our own: the process's default pool and `sys.modules` stay as
they are, and TensorFlow may be imported before or after.
"""

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory

from transforms.errors import InputError

_MODULES = tuple(
    f"tensorflow_serving.apis.{name}_pb2"
    for name in ("predict", "get_model_metadata", "get_model_status")
)
_GENERATED = "_pb2"
_SERVING = "tensorflow.serving"


def message_class(name: str) -> Any:
    """The class of a message of TensorFlow Serving's API.

    Args:
        name: without its package, such as `PredictRequest`.

    Example:
        >>> message_class("ModelSpec")(name="ranker").name
        'ranker'
    """
    descriptor = _load_pool().FindMessageTypeByName(f"{_SERVING}.{name}")
    return message_factory.GetMessageClass(descriptor)


@cache
def dtype_numbers() -> dict[str, int]:
    """The name of a type, such as `DT_FLOAT` -> its number."""
    enum = _load_pool().FindEnumTypeByName("tensorflow.DataType")
    return {name: value.number for name, value in enum.values_by_name.items()}


@cache
def _load_pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for descriptor in _walk(_MODULES, set()):
        pool.AddSerializedFile(descriptor)
    return pool


def _walk(modules: Iterable[str], seen: set[str]) -> Iterator[bytes]:
    """The descriptors of the modules, each after those that it imports."""
    for module in modules:
        if module not in seen:
            seen.add(module)
            source = ast.parse(_find(module).read_bytes())
            yield from _walk(_imports(source), seen)
            yield _descriptor(source, module)


def _find(module: str) -> Path:
    """The module's file; only its top package is looked for, which imports nothing."""
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, *rest).with_suffix(".py")
        if path.is_file():
            return path
    raise InputError(f"gRPC needs the package {package}, which has no {module} here")


def _imports(source: ast.Module) -> list[str]:
    return [
        f"{node.module}.{alias.name}"
        for node in source.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.endswith(_GENERATED)
    ]


def _descriptor(source: ast.Module, module: str) -> bytes:
    for node in ast.walk(source):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="AddSerializedFile"),
                args=[ast.Constant(value=bytes() as descriptor)],
            ):
                return descriptor
    raise InputError(f"gRPC needs another version of tensorflow-serving-api: {module} is strange")
