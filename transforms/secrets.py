"""Finds secrets where none belong: in a configuration, or in the name of a place.

A configuration is copied into ML Metadata, logs and reports, and shown to whoever asks. Secrets
come from the environment of a cloud's SDK, from Kubernetes' Secrets, from Airflow's connections
(docs/security.md). What is found is never shown.
"""

import re
from collections.abc import Iterator
from typing import Any

from transforms.errors import ConfigError

_AUTHORITY = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z0-9+.-]+)://([^/?#\s]*)")
_PORT = re.compile(r":[0-9]*")
# What stands before the @ is the name of a container, or of a user without a password.
_NAMED_BEFORE_AT = {"abfs", "abfss", "wasb", "wasbs", "hdfs", "viewfs"}
_PARAMETER = re.compile(r"[?&;]([^?=&;\s]+)=(?=[^&;\s])")
_KEY = re.compile(r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")
_NAME = re.compile(
    r"secret|passw|passphrase|token|credential|signature|^sig$|(access|api|private|account)_?key",
    re.IGNORECASE,
)
# Where names are an engine's or a system's, not the ranker's own.
_FREE = (("beam", "options"), ("beam", "environment", "variables"))


def find_secret(text: str) -> str | None:
    """What is wrong with a text, without the text; None if nothing is.

    Example:
        >>> find_secret("s3://key:secret@logs/days")
        'a URI must have no user and no password'
        >>> find_secret("abfs://logs@account.dfs.core.windows.net/days")
    """
    for scheme, authority in _AUTHORITY.findall(text):
        user, at, host = authority.rpartition("@")
        may_name = scheme.lower() in _NAMED_BEFORE_AT and ":" not in user
        # A slash in a password looks as if the host ended there: what follows : is no port then.
        port = host[host.rfind("]") + 1 :]
        if (at and not may_name) or (":" in port and not _PORT.fullmatch(port[port.index(":") :])):
            return "a URI must have no user and no password"
    if "://" in text and any(map(_NAME.search, _PARAMETER.findall(text))):
        return "a URI must have no secret among its parameters"
    if _KEY.search(text):
        return "a key must not be in a configuration"
    return None


def refuse_secrets(document: Any, source: str) -> None:
    """Refuses a configuration that holds a secret.

    Args:
        document: what the YAML holds.
        source: where it came from, the first word of the message.

    Raises:
        ConfigError: with the path of the field, and not what is in it.
    """
    for path, value in _scalars(document, ()):
        rule = find_secret(value) if isinstance(value, str) else None
        named = any(path[: len(free)] == free for free in _FREE) and _NAME.search(path[-1])
        # The name of a file that holds the secret is none.
        if named and value is not True and not str(value).startswith("/"):
            rule = "a secret must not be in a configuration; a file that holds it may be named"
        if rule is not None:
            raise ConfigError(
                f"{source}: {'.'.join(path)}: {rule}. Received: a secret, which is not shown here; "
                "docs/security.md says where it belongs"
            )


def _scalars(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value with the names that lead to it; a list adds none. Keys are values too."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield (*path, "a key"), key
            yield from _scalars(below, (*path, str(key)[:100]))
    elif isinstance(value, list):
        for one in value:
            yield from _scalars(one, path)
    elif path:
        yield path, value
