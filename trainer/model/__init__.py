"""The network: inputs, experts, towers, what is added to their logits, and the ranker."""
