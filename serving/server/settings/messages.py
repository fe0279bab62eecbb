"""The messages of settings that TensorFlow Serving's Python package leaves out.

Names, types and numbers of the fields are those of its own `session_bundle_config.proto`,
`ssl_config.proto` and `monitoring_config.proto`, so that the same files are read.
"""

from google.protobuf.message import Message

from serving.server.protos import declare_messages

_PACKAGE = "tensorflow.serving"
_CLASSES = declare_messages(
    _PACKAGE,
    {
        "BatchingParameters": {
            "max_batch_size": (1, ".google.protobuf.Int64Value"),
            "batch_timeout_micros": (2, ".google.protobuf.Int64Value"),
            "max_enqueued_batches": (3, ".google.protobuf.Int64Value"),
            "num_batch_threads": (4, ".google.protobuf.Int64Value"),
            "thread_pool_name": (5, ".google.protobuf.StringValue"),
            "allowed_batch_sizes": (6, "*int64"),
            "pad_variable_length_inputs": (7, "bool"),
            "enable_large_batch_splitting": (8, ".google.protobuf.BoolValue"),
            "max_execution_batch_size": (9, ".google.protobuf.Int64Value"),
        },
        "SSLConfig": {
            "server_key": (1, "string"),
            "server_cert": (2, "string"),
            "custom_ca": (3, "string"),
            "client_verify": (4, "bool"),
        },
        "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
        "MonitoringConfig": {"prometheus_config": (1, f".{_PACKAGE}.PrometheusConfig")},
    },
)


def make_message(name: str) -> Message:
    """An empty message.

    Args:
        name: of its type, such as `BatchingParameters`.

    Example:
        >>> make_message("SSLConfig").client_verify
        False
    """
    return _CLASSES[name]()
