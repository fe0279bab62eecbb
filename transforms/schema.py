"""The curated schema of the examples, derived from the YAML: no guess from one day's data."""

from tensorflow_metadata.proto.v0 import schema_pb2

from transforms.config import DataConfig
from transforms.examples import KEYS, POSITION, TIMESTAMP, label_name, weight_name
from transforms.features import Feature, NumberFeature

_MISSING_NUMBER = schema_pb2.TensorRepresentation.DefaultValue(float_value=float("nan"))
_MISSING_WORD = schema_pb2.TensorRepresentation.DefaultValue(bytes_value=b"")


def make_schema(config: DataConfig) -> schema_pb2.Schema:
    """The schema that every example meets.

    Numbers are FLOAT, words BYTES; features may be absent down to their `min_presence`.
    Labels and weights are always there; weights and classification labels lie in [0, 1].
    Dense tensors with defaults (NaN, empty word) stand for absent values, so that
    training and serving see the same thing.

    Args:
        config: features and tasks.

    Example:
        >>> from transforms.features import NumericFeature
        >>> from transforms.tasks import Label, Task
        >>> config = DataConfig(
        ...     features={"age": NumericFeature(of="user", kind="numeric")},
        ...     tasks={"click": Task(kind="classification", group="engagement",
        ...                          label=Label(event="click"))})
        >>> sorted(feature.name for feature in make_schema(config).feature)[:2]
        ['age', 'item_id']
    """
    schema = schema_pb2.Schema()
    for key in KEYS:
        _add_always(schema, key, "INT" if key == TIMESTAMP else "BYTES")
    for name, feature in config.features.items():
        if name not in KEYS:
            _add_feature(schema, name, feature)
    if not config.has_position:
        _add(schema, POSITION, "INT", 0.0)
    for task_name, task in config.tasks.items():
        label = _add_always(schema, label_name(task_name), "FLOAT")
        if task.kind == "classification":
            label.float_domain.min, label.float_domain.max = 0.0, 1.0
        weight = _add_always(schema, weight_name(task_name), "FLOAT")
        weight.float_domain.min, weight.float_domain.max = 0.0, 1.0
    _add_tensors(schema, config)
    return schema


def _add(schema: schema_pb2.Schema, name: str, kind: str, presence: float) -> schema_pb2.Feature:
    feature = schema.feature.add(name=name, type=schema_pb2.FeatureType.Value(kind))
    feature.presence.min_fraction = presence
    feature.value_count.min = feature.value_count.max = 1
    return feature


def _add_always(schema: schema_pb2.Schema, name: str, kind: str) -> schema_pb2.Feature:
    return _add(schema, name, kind, 1.0)


def _add_feature(schema: schema_pb2.Schema, name: str, feature: Feature) -> None:
    is_number = isinstance(feature, NumberFeature)
    added = _add(schema, name, "FLOAT" if is_number else "BYTES", feature.min_presence)
    if feature.list_length is not None:
        added.value_count.max = 2**31
    elif is_number:
        added.float_domain.disallow_nan = added.float_domain.disallow_inf = True


def _add_tensors(schema: schema_pb2.Schema, config: DataConfig) -> None:
    tensors = schema.tensor_representation_group[""].tensor_representation
    for name, feature in config.features.items():
        if feature.list_length is not None:
            tensors[name].varlen_sparse_tensor.column_name = name
            continue
        is_number = isinstance(feature, NumberFeature)
        _dense(tensors[name], name, _MISSING_NUMBER if is_number else _MISSING_WORD)
    if not config.has_position:
        _dense(
            tensors[POSITION], POSITION, schema_pb2.TensorRepresentation.DefaultValue(int_value=0)
        )
    for task in config.tasks:
        for column in (label_name(task), weight_name(task)):
            _dense(
                tensors[column],
                column,
                schema_pb2.TensorRepresentation.DefaultValue(float_value=0.0),
            )


def _dense(
    tensor: schema_pb2.TensorRepresentation,
    column: str,
    missing: schema_pb2.TensorRepresentation.DefaultValue,
) -> None:
    tensor.dense_tensor.column_name = column
    tensor.dense_tensor.shape.SetInParent()
    tensor.dense_tensor.default_value.CopyFrom(missing)
