"""Operations over TensorFlow Serving's gRPC API, without TensorFlow."""
