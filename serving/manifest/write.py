"""Writes the manifest of a model, and signs it."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from serving.manifest.check import check_files, parse_document, read_document
from serving.manifest.document import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    FileDigest,
    Manifest,
    ManifestError,
    digest_file,
    list_files,
)
from serving.manifest.keys import SigningKey


def write_manifest(
    model: Path, folder: Path, ranker: str, key: SigningKey | None = None
) -> Manifest:
    """Lists the files of a model, into a copy of it.

    The original is what is read: a copy that was not written as it is does not fit its manifest.

    Args:
        model: the SavedModel.
        folder: gets manifest and signature; `model` itself, or a copy that nobody loads yet.
        ranker: whose model it is.
        key: signs the manifest; None leaves it unsigned.

    Raises:
        ManifestError: if the model has links, or too many files.
        InputError: if the key cannot be used.
    """
    manifest = Manifest(
        ranker=ranker,
        made=datetime.now(UTC).replace(microsecond=0),
        files={
            _check_name(model, name): FileDigest(
                bytes=info.st_size, sha256=digest_file(model / name)
            )
            for name, info in sorted(list_files(model).items())
        },
    )
    document = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    # Of a model that was pushed before.
    (folder / SIGNATURE_FILE).unlink(missing_ok=True)
    _write(folder / MANIFEST_FILE, document.encode())
    if key is not None:
        _write(folder / SIGNATURE_FILE, key.sign(document.encode()))
    return manifest


def sign_model(folder: Path, ranker: str, key: SigningKey) -> Manifest:
    """Signs a model that was not signed when it was pushed, or never pushed.

    Args:
        folder: of the SavedModel.
        ranker: whose model it is, if it has no manifest yet.
        key: signs it.

    Returns:
        Its manifest: the one that it has, if its files are still those, or else a new one.

    Raises:
        ManifestError: if it has a manifest and other files than that says.
    """
    if not os.path.lexists(folder / MANIFEST_FILE):
        return write_manifest(folder, folder, ranker, key)
    files, document = list_files(folder), read_document(folder)
    manifest = parse_document(folder, document)
    check_files(folder, manifest, files)
    _write(folder / SIGNATURE_FILE, key.sign(document))
    return manifest


def _check_name(model: Path, name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ManifestError(f"{model}: names must be UTF-8. Received: {name!r}") from None
    return name


def _write(path: Path, content: bytes) -> None:
    """A server that looks meanwhile sees the old file or the new one."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(content)
    partial.replace(path)
