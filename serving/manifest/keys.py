"""The keys of signatures, which are Ed25519: a private one at the push, public ones at the load.

openssl genpkey -algorithm ed25519 -out signing.pem
openssl pkey -in signing.pem -pubout -out public.pem
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.errors import InputError
from transforms.small_files import read_small_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MAX_BYTES = 1 << 16
_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that can be read.

    Attributes:
        path: of its file; the key itself is not kept, and gets into no log or database.
        id: names the public key that belongs to it.
    """

    path: Path
    id: str

    def sign(self, document: bytes) -> bytes:
        """The signature of a document, 64 bytes.

        Raises:
            InputError: if the file is no longer what it was when the key was checked.
        """
        private = _load_private(self.path)
        if _id_of(private.public_key().public_bytes_raw()) != self.id:
            raise InputError(f"{self.path}: must be the key {self.id}, with which the run began")
        return private.sign(document)


@dataclass(frozen=True, slots=True)
class VerifyKeys:
    """Public keys, each of which may have signed.

    Attributes:
        raw: 32 bytes a key.
    """

    raw: tuple[bytes, ...] = field(repr=False)

    def verify(self, signature: bytes, document: bytes) -> bool:
        """Whether one of the keys has signed the document."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        for raw in self.raw:
            try:
                Ed25519PublicKey.from_public_bytes(raw).verify(signature, document)
            except InvalidSignature:
                continue
            return True
        return False


def read_signing_key(path: Path) -> SigningKey:
    """Checks that a private key is there, is one, and is nobody else's to read.

    Args:
        path: of a PEM file with an Ed25519 key, not encrypted.

    Raises:
        InputError: if it cannot be used, or may be read by others.
    """
    public = _load_private(path).public_key().public_bytes_raw()
    return SigningKey(path.absolute(), _id_of(public))


def read_verify_keys(path: Path) -> VerifyKeys:
    """Reads public keys.

    Args:
        path: of a PEM file with one or more of them; while keys change, the old and the new.

    Raises:
        InputError: if it holds none, another kind, or a private key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    text = read_small_file(path, _MAX_BYTES)
    if b"PRIVATE KEY" in text:
        raise InputError(f"{path}: must be public keys only. Received: a private key")
    raw = []
    for block in _PUBLIC.findall(text):
        try:
            key = load_pem_public_key(block)
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise InputError(f"{path}: must be Ed25519 public keys in PEM")
        raw.append(key.public_bytes_raw())
    if not raw:
        raise InputError(f"{path}: must be Ed25519 public keys in PEM. Received: none")
    return VerifyKeys(tuple(raw))


def _load_private(path: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            text = file.read(_MAX_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: must be an Ed25519 private key in PEM, not encrypted")
    return key


def _check_private(path: Path, info: os.stat_result) -> None:
    """As ssh does with its keys; but a group may read one that belongs to another user.

    Kubernetes mounts Secrets so: they are root's, and the group of the pod may read them.
    """
    if not stat.S_ISREG(info.st_mode):
        raise InputError(f"{path}: must be a file")
    others = 0o077 if info.st_uid == os.getuid() else 0o027
    if info.st_mode & others:
        mode = stat.S_IMODE(info.st_mode)
        raise InputError(
            f"{path}: a private key must be for its owner only (chmod 600). Received: mode {mode:o}"
        )


def _id_of(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]
