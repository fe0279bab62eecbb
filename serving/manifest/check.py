"""Checks a model against its manifest, before anything of it is loaded."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from serving.manifest.document import (
    MANIFEST_FILE,
    MAX_BYTES,
    SIGNATURE_FILE,
    Manifest,
    ManifestError,
    Stamp,
    digest_file,
    list_files,
    stamp_of,
)
from serving.manifest.keys import VerifyKeys
from transforms.errors import InputError
from transforms.section import first_problem
from transforms.small_files import read_small_file

_SIGNATURE_BYTES = 64
_SHOWN = 5


class SignatureError(InputError):
    """A model is not signed by any of the keys that the operator trusts."""


def check_model(folder: Path, keys: VerifyKeys | None = None) -> Stamp | None:
    """Checks that a model is what was pushed.

    A model without a manifest is one that something else has made: it passes, but for `keys`.

    Args:
        folder: of the SavedModel.
        keys: one of them must have signed the manifest; None asks for no signature.

    Returns:
        What `check_unchanged` compares once the model is loaded; None without a manifest.

    Raises:
        SignatureError: if `keys` are given, and none of them has signed the manifest.
        ManifestError: if a file is missing, is another one, or is not listed.
    """
    if not os.path.lexists(folder / MANIFEST_FILE):
        if keys is None:
            return None
        raise SignatureError(
            f"{folder}: must be signed, but has no {MANIFEST_FILE}, which a push writes"
        )
    # First: what is no file, such as a pipe, is not to be opened.
    files = list_files(folder)
    document = read_document(folder)
    if keys is not None:
        _check_signature(folder, document, keys)
    check_files(folder, parse_document(folder, document), files)
    return stamp_of(files)


def check_unchanged(folder: Path, stamp: Stamp | None) -> None:
    """Checks that no file has changed since `check_model`, so that it was these that were loaded.

    Args:
        folder: of the SavedModel.
        stamp: what `check_model` said.

    Raises:
        ManifestError: naming a file that has.
    """
    if stamp is None:
        return
    changed = {entry[0] for entry in set(stamp) ^ set(stamp_of(list_files(folder)))}
    if changed:
        raise ManifestError(f"{folder / min(changed)}: must not change while the model is loaded")


def read_document(folder: Path) -> bytes:
    """The manifest of a model as it was signed.

    Raises:
        InputError: if there is none, or one that is too large.
    """
    return read_small_file(folder / MANIFEST_FILE, MAX_BYTES, too_large=ManifestError)


def parse_document(folder: Path, document: bytes) -> Manifest:
    """What the manifest of a model says.

    Args:
        folder: of the model.
        document: the manifest's bytes.

    Raises:
        ManifestError: if they are no manifest.
    """
    try:
        return Manifest.model_validate_json(document)
    except ValidationError as error:
        path = folder / MANIFEST_FILE
        raise ManifestError(f"{path}: must be a manifest: {first_problem(error)}") from None


def check_files(folder: Path, manifest: Manifest, files: Mapping[str, os.stat_result]) -> None:
    """Holds the files of a model against its manifest.

    Args:
        folder: of the model.
        manifest: what it should have.
        files: what `list_files` has found.

    Raises:
        ManifestError: at the first file that is not as it should be.
    """
    for rule, names in (
        ("must have the files that its manifest lists. Missing", manifest.files.keys() - files),
        ("must have no files but those that its manifest lists", files.keys() - manifest.files),
    ):
        if names:
            shown = ", ".join(repr(name) for name in sorted(names)[:_SHOWN])
            raise ManifestError(f"{folder}: {rule}: {shown}")
    for name, listed in manifest.files.items():
        if files[name].st_size != listed.bytes:
            raise ManifestError(
                f"{folder / name}: must have {listed.bytes} bytes, as its manifest says. "
                f"Received: {files[name].st_size}"
            )
    for name, listed in manifest.files.items():
        received = digest_file(folder / name)
        if received != listed.sha256:
            raise ManifestError(
                f"{folder / name}: must have the SHA-256 {listed.sha256}, as its manifest says. "
                f"Received: {received}"
            )


def _check_signature(folder: Path, document: bytes, keys: VerifyKeys) -> None:
    path = folder / SIGNATURE_FILE
    if not path.is_file():
        raise SignatureError(f"{folder}: must be signed, but has no {SIGNATURE_FILE}")
    signature = read_small_file(path, _SIGNATURE_BYTES, too_large=SignatureError)
    if not keys.verify(signature, document):
        raise SignatureError(f"{path}: must be a signature by one of the keys that are trusted")
