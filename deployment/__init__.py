"""Floor 5: images, Kubernetes and orchestrators; thin entry points only."""
