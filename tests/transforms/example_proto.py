"""tf.Example as protobuf knows it, made here so that no test has to import TensorFlow.

The fields are those of tensorflow/core/example/{example,feature}.proto.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "gaterank.test"
_FIELD = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    "BytesList": ("bytes_list", _FIELD.TYPE_BYTES),
    "FloatList": ("float_list", _FIELD.TYPE_FLOAT),
    "Int64List": ("int64_list", _FIELD.TYPE_INT64),
}


def _make_example() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="gaterank_test.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, (_, type_) in _KINDS.items():
        message = file.message_type.add(name=name)
        message.field.add(name="value", number=1, type=type_, label=_FIELD.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, (field, _)) in enumerate(_KINDS.items(), start=1):
        _add(feature, field, number, name).oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    _add(entry, "value", 2, "Feature")
    _add(features, "feature", 1, "Features.FeatureEntry").label = _FIELD.LABEL_REPEATED
    _add(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


def _add(message: Any, name: str, number: int, type_name: str) -> Any:
    return message.field.add(
        name=name,
        number=number,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.{type_name}",
        label=_FIELD.LABEL_OPTIONAL,
    )


Example = _make_example()


def make_example(row: dict[str, Any]) -> Any:
    """The message of a row: text, lists of text, float and int; None and [] are absent."""
    example = Example()
    example.features.SetInParent()
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        if value is None or not values:
            continue
        feature = example.features.feature[name]
        if isinstance(values[0], str):
            feature.bytes_list.value.extend(word.encode() for word in values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            feature.float_list.value.extend(values)
    return example
