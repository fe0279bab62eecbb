"""Where an artifact is on the machine of a container.

Kubeflow's launcher copies inputs to, and outputs from, the folders that its own components know;
Vertex AI mounts buckets at the same place. So a component needs no client of any object store.
"""

_FOLDERS = {"gs://": "gcs", "s3://": "s3", "minio://": "minio"}


def to_path(uri: str, mounts: str = "/") -> str:
    """The path of an artifact, or the URI as it is, if it is of no such store.

    Args:
        uri: of the artifact.
        mounts: folder in which the stores' folders are.

    Example:
        >>> to_path("gs://bucket/demo/Model/7"), to_path("/srv/demo/Model/7")
        ('/gcs/bucket/demo/Model/7', '/srv/demo/Model/7')
    """
    for scheme, folder in _FOLDERS.items():
        if uri.startswith(scheme):
            return f"{mounts.rstrip('/')}/{folder}/{uri.removeprefix(scheme)}"
    return uri


def to_uri(path: str) -> str:
    """The URI of a path below `/gcs`, as other machines know it; another path as it is.

    Example:
        >>> to_uri("/gcs/bucket/spans"), to_uri("/mnt/gaterank/spans")
        ('gs://bucket/spans', '/mnt/gaterank/spans')
    """
    return f"gs://{path.removeprefix('/gcs/')}" if path.startswith("/gcs/") else path
