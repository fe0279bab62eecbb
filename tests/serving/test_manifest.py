"""A model with a manifest is loaded as it was pushed, or not at all; no TensorFlow here."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.manifest.check import SignatureError, check_model, check_unchanged
from serving.manifest.document import MANIFEST_FILE, MAX_BYTES, SIGNATURE_FILE, ManifestError
from serving.manifest.keys import VerifyKeys, read_signing_key, read_verify_keys
from serving.manifest.write import sign_model, write_manifest
from tests.serving.signing import write_keys
from transforms.errors import InputError

Change = Callable[[Path], object]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What stands for a SavedModel, without a manifest."""
    folder = tmp_path / "model"
    for name in ("saved_model.pb", "variables/variables.index", "assets/words", "assets.extra/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def keys(tmp_path: Path) -> VerifyKeys:
    return read_verify_keys(write_keys(tmp_path)[1])


@pytest.fixture
def signed(model: Path, keys: VerifyKeys, tmp_path: Path) -> Path:
    write_manifest(model, model, "demo", read_signing_key(tmp_path / "signing.pem"))
    return model


def put(path: Path, content: bytes = b"new") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def flip(path: Path) -> None:
    """Changes a bit, and nothing else that a file system knows of it but its time."""
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def replace_by_link(path: Path, target: Path) -> None:
    shutil.move(path, target)
    path.symlink_to(target)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


CHANGES: dict[str, tuple[Change, str]] = {
    "a byte": (lambda m: flip(m / "variables/variables.index"), "variables.index: must have the S"),
    "a byte beside it": (lambda m: flip(m / "assets.extra/x"), "assets.extra/x: must have the SHA"),
    "longer": (lambda m: put(m / "saved_model.pb"), "saved_model.pb: must have 14 bytes"),
    "missing": (lambda m: (m / "assets/words").unlink(), "lists. Missing: 'assets/words'"),
    "more": (lambda m: put(m / "assets/more"), "no files but those .*: 'assets/more'"),
    "hidden": (lambda m: put(m / ".x/y"), "no files but those .*: '.x/y'"),
    "text graph": (lambda m: put(m / "saved_model.pbtxt"), "no files but .*'saved_model.pbtxt'"),
    "link away": (
        lambda m: replace_by_link(m / "assets/words", m.parent / "words"),
        "assets/words: a model with a manifest must have files and folders only",
    ),
    "folder away": (
        lambda m: replace_by_link(m / "variables", m.parent / "variables"),
        "variables: a model with a manifest must have files and folders only",
    ),
    "pipe": (lambda m: replace_by_pipe(m / "saved_model.pb"), "files and folders only"),
    "manifest away": (
        lambda m: replace_by_link(m / MANIFEST_FILE, m.parent / "manifest"),
        "files.json: a model with a manifest must have files and folders only",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("with_key", [False, True])
def test_what_was_changed_after_the_push_is_named(case, with_key, signed, keys):
    check_model(signed, keys if with_key else None)
    change, message = CHANGES[case]
    change(signed)
    with pytest.raises(ManifestError, match=message):
        check_model(signed, keys if with_key else None)


def test_a_model_of_others_is_loaded_unless_it_must_be_signed(model, keys):
    assert check_model(model) is None
    with pytest.raises(SignatureError, match=r"must be signed, but has no assets.extra/\S+json"):
        check_model(model, keys)


def test_a_copy_under_another_name_is_the_same_model(signed, keys, tmp_path):
    copy = tmp_path / "served" / "8"
    shutil.copytree(signed, copy)
    check_model(copy, keys)
    assert "8" not in json.loads((copy / MANIFEST_FILE).read_text())["files"]


def test_a_manifest_without_its_signature_is_not_enough(model, keys):
    write_manifest(model, model, "demo")
    check_model(model)
    with pytest.raises(SignatureError, match=r"has no assets.extra/gaterank.files.sig"):
        check_model(model, keys)


def test_a_manifest_that_was_made_to_fit_is_not_signed(signed, keys):
    flip(signed / "saved_model.pb")
    write_manifest(signed, signed.parent / "model", "demo")
    assert not (signed / SIGNATURE_FILE).exists()
    check_model(signed)
    with pytest.raises(SignatureError):
        check_model(signed, keys)


def test_another_models_manifest_does_not_fit(signed, keys, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(signed, other)
    put(other / "saved_model.pb", b"another graph!")
    write_manifest(other, other, "demo", read_signing_key(tmp_path / "signing.pem"))
    for name in (MANIFEST_FILE, SIGNATURE_FILE):
        shutil.copy(signed / name, other / name)
    with pytest.raises(ManifestError, match=r"saved_model.pb: must have the SHA-256"):
        check_model(other, keys)


@pytest.mark.parametrize("change", ["format", "space", "signature", "short", "long", "empty"])
def test_a_signature_is_of_all_bytes_of_the_manifest(change, signed, keys):
    document, signature = signed / MANIFEST_FILE, signed / SIGNATURE_FILE
    text, mark = document.read_bytes(), signature.read_bytes()
    match change:
        case "format":
            document.write_bytes(text.replace(b'"demo"', b'"Demo"'))
        case "space":
            document.write_bytes(text + b" ")
        case "signature":
            flip(signature)
        case "short":
            signature.write_bytes(mark[:-1])
        case "long":
            signature.write_bytes(mark + b"x")
        case "empty":
            signature.write_bytes(b"")
    with pytest.raises(SignatureError):
        check_model(signed, keys)


def test_only_the_operators_keys_count_and_two_may_while_they_change(signed, keys, tmp_path):
    _, wrong = write_keys(tmp_path, "wrong")
    with pytest.raises(SignatureError, match="by one of the keys that are trusted"):
        check_model(signed, read_verify_keys(wrong))
    both = tmp_path / "both.pem"
    both.write_bytes(wrong.read_bytes() + (tmp_path / "signing.public.pem").read_bytes())
    check_model(signed, read_verify_keys(both))


def test_openssl_agrees(signed, tmp_path):
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "signing.public.pem", "-rawin"]
    command += ["-in", signed / MANIFEST_FILE, "-sigfile", signed / SIGNATURE_FILE]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"format": 2, "ranker": "x", "made": "2026-01-01T00:00:00Z", "files": {}}',
        b'{"ranker": "x", "made": "yesterday", "files": {}}',
        b'{"ranker": "x", "made": "2026-01-01T00:00:00Z", "files": {"a": {}}}',
        b" " * (MAX_BYTES + 1),
    ],
)
def test_a_broken_manifest_is_said_to_be_one(text, signed):
    (signed / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(ManifestError, match=r"gaterank.files.json: must be"):
        check_model(signed)


def test_a_manifest_leads_to_no_file_outside(signed, tmp_path):
    document = json.loads((signed / MANIFEST_FILE).read_text())
    document["files"]["../signing.pem"] = {"bytes": 119, "sha256": "0" * 64}
    (signed / MANIFEST_FILE).write_text(json.dumps(document))
    with pytest.raises(ManifestError, match=r"Missing: '../signing.pem'"):
        check_model(signed)


def test_too_many_files_are_not_listed(signed, monkeypatch):
    monkeypatch.setattr("serving.manifest.document.MAX_FILES", 5)
    with pytest.raises(ManifestError, match="at most 5 files"):
        check_model(signed)


def test_what_changes_while_the_model_is_loaded_was_perhaps_loaded(signed, keys):
    stamp = check_model(signed, keys)
    check_unchanged(signed, stamp)
    away = signed.parent / "away"
    (signed / "saved_model.pb").rename(away)
    put(signed / "saved_model.pb", b"another graph!")
    away.replace(signed / "saved_model.pb")
    with pytest.raises(ManifestError, match=r"saved_model.pb: must not change while"):
        check_unchanged(signed, stamp)


def test_a_model_is_signed_later_if_it_is_still_what_was_pushed(model, keys, tmp_path):
    key = read_signing_key(tmp_path / "signing.pem")
    write_manifest(model, model, "demo")
    text = (model / MANIFEST_FILE).read_bytes()
    assert sign_model(model, "ignored", key).ranker == "demo"
    assert (model / MANIFEST_FILE).read_bytes() == text
    check_model(model, keys)
    flip(model / "saved_model.pb")
    with pytest.raises(ManifestError):
        sign_model(model, "demo", key)


def test_a_model_that_was_never_pushed_can_be_signed(model, keys, tmp_path):
    manifest = sign_model(model, "mine", read_signing_key(tmp_path / "signing.pem"))
    assert (manifest.ranker, len(manifest.files)) == ("mine", 4)
    check_model(model, keys)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_private_key_that_others_can_read_is_refused(mode, tmp_path):
    private, _ = write_keys(tmp_path)
    private.chmod(mode)
    with pytest.raises(InputError, match=rf"owner only \(chmod 600\). Received: mode {mode:o}"):
        read_signing_key(private)


def test_a_group_may_read_the_key_of_another_user_as_in_a_pod(tmp_path, monkeypatch):
    private, _ = write_keys(tmp_path)
    private.chmod(0o440)
    monkeypatch.setattr(os, "getuid", lambda: 65532)
    read_signing_key(private)
    private.chmod(0o444)
    with pytest.raises(InputError, match="owner only"):
        read_signing_key(private)


def test_the_key_of_a_run_cannot_become_another_one(model, tmp_path):
    private, _ = write_keys(tmp_path)
    key = read_signing_key(private)
    write_keys(tmp_path)
    with pytest.raises(InputError, match=f"must be the key {key.id}, with which the run began"):
        write_manifest(model, model, "demo", key)


def openssl(folder: Path, *words: str) -> Path:
    file = folder / "made.pem"
    subprocess.run(["openssl", *words, "-out", file], check=True, capture_output=True)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    "words",
    [
        ("genpkey", "-algorithm", "x25519"),
        ("ecparam", "-genkey", "-name", "prime256v1"),
        ("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret"),
    ],
)
def test_another_kind_of_key_is_refused_and_not_shown(words, tmp_path):
    with pytest.raises(InputError, match="must be an Ed25519 private key in PEM") as error:
        read_signing_key(openssl(tmp_path, *words))
    assert "BEGIN" not in str(error.value)


def test_a_key_of_openssl_signs(model, tmp_path):
    private = openssl(tmp_path, "genpkey", "-algorithm", "ed25519")
    public = tmp_path / "public.pem"
    command = ["openssl", "pkey", "-in", private, "-pubout", "-out", public]
    subprocess.run(command, check=True)
    write_manifest(model, model, "demo", read_signing_key(private))
    check_model(model, read_verify_keys(public))


def test_public_keys_are_nothing_else(tmp_path):
    private, _ = write_keys(tmp_path)
    for content, message in (
        (private.read_bytes(), "Received: a private key"),
        (b"", "Received: none"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "must be Ed25519"),
    ):
        (tmp_path / "x.pem").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_verify_keys(tmp_path / "x.pem")


def test_a_key_that_is_no_file_is_said_to_be_none(tmp_path):
    for path in (tmp_path / "none.pem", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_signing_key(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    with pytest.raises(InputError, match="socket"):
        read_signing_key(tmp_path / "socket")
    listener.close()
