"""TensorFlow Serving's files of settings, in protobuf's text format."""
