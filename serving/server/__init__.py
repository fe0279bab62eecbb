"""The embedded server of TensorFlow Serving's API."""
