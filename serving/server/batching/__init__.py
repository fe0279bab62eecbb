"""Requests computed together, by the rules of TensorFlow Serving's batching sessions."""
