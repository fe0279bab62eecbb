"""From a trained ranker to SavedModels: pruning, signatures, the manifest."""
