"""Operations over TensorFlow Serving's REST API."""
