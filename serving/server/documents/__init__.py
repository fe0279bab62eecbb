"""JSON requests to arrays and arrays to JSON answers, as TensorFlow Serving does both."""
