"""Protobuf messages that no installed package brings, declared in a few lines."""

from collections.abc import Mapping

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.message import Message

Fields = Mapping[str, tuple[int, str]]
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _FIELD.TYPE_BOOL,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "string": _FIELD.TYPE_STRING,
}


def declare_messages(package: str, messages: Mapping[str, Fields]) -> dict[str, type[Message]]:
    """Makes classes of messages.

    Args:
        package: of their names.
        messages: message -> field -> its number and type: a scalar, or a message's full name
            after a dot; `*` before it repeats the field.

    Returns:
        Message -> class.

    Example:
        >>> Point = declare_messages("example", {"Point": {"x": (1, "int64")}})["Point"]
        >>> Point(x=2).SerializeToString()
        b'\\x08\\x02'
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto",
        package=package,
        dependency=[wrappers_pb2.DESCRIPTOR.name],
        syntax="proto3",
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    # A pool of its own: the default one may get the same messages from another package.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in messages
    }


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    scalar = _SCALARS.get(kind.removeprefix("*"))
    message.field.add(
        name=name,
        number=number,
        label=_FIELD.LABEL_REPEATED if kind.startswith("*") else _FIELD.LABEL_OPTIONAL,
        type=_FIELD.TYPE_MESSAGE if scalar is None else scalar,
        type_name=kind if scalar is None else None,
    )
