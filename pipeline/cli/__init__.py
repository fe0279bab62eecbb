"""The command line `gaterank`: one file a family of verbs, TensorFlow imported only on use."""
