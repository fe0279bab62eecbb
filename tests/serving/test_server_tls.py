"""The server's certificate: the client trusts it, and shows one if it must."""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from certificates import write_certificate

from serving.client import ClientError, Ranker, Retry, Tls
from serving.server import ServerOptions, running_server
from serving.server.settings.ssl import read_ssl_file
from serving.server.tls import ServerTls
from transforms.errors import ConfigError

ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from toy_ranker import write_version

    base = tmp_path_factory.mktemp("models") / "ranker"
    write_version(base, 1, weight=1.0)
    return base


def write_config(folder: Path, files: Tls, **fields: Any) -> Path:
    """An SSLConfig with the contents of PEM files, changed by `fields`."""
    assert files.key_file is not None and files.ca_file is not None
    certificate = files.ca_file.read_text()
    config = {
        "server_key": files.key_file.read_text(),
        "server_cert": certificate,
        "custom_ca": certificate,
        "client_verify": True,
        **fields,
    }
    path = folder / "ssl.config"
    path.write_text("\n".join(f"{name}: {json.dumps(value)}" for name, value in config.items()))
    return path


@pytest.fixture(scope="module")
def server(base: Path, files: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    tls = read_ssl_file(write_config(tmp_path_factory.mktemp("config"), files))
    with running_server(ServerOptions(base, port=0, grpc_port=0, tls=tls)) as server:
        yield server


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_both_ports_have_tls_and_want_the_clients_certificate(
    server: Any, files: Tls, scheme: str
) -> None:
    url = f"{scheme}://127.0.0.1:{server.port if scheme == 'https' else server.grpc_port}"
    with Ranker(url, tls=files, retry=ONCE) as ranker:
        assert ranker.status()[0].state == "AVAILABLE"
    for other in (Tls(), Tls(ca_file=files.ca_file)):
        with Ranker(url, tls=other, retry=ONCE) as ranker, pytest.raises(ClientError):
            ranker.status()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("port", ["port", "grpc_port"])
@pytest.mark.parametrize(
    ("version", "is_spoken"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)]
)
def test_nothing_older_than_tls_1_2_is_spoken(
    server: Any, files: Tls, port: str, version: ssl.TLSVersion, is_spoken: bool
) -> None:
    assert files.certificate_file is not None
    context = ssl.create_default_context(cafile=str(files.ca_file))
    context.load_cert_chain(files.certificate_file, files.key_file)
    # OpenSSL itself would not try an old version at a higher level.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    with socket.create_connection(("127.0.0.1", getattr(server, port)), timeout=5) as plain:
        if is_spoken:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                assert connection.version() == "TLSv1.2"
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_rest_can_stay_plain(server: Any, base: Path) -> None:
    tls = replace(server.options.tls, client_verify=False)
    options = ServerOptions(base, port=0, grpc_port=0, tls=tls, rest_tls=False)
    with running_server(options) as plain, Ranker(f"http://127.0.0.1:{plain.port}") as ranker:
        assert ranker.status()[0].state == "AVAILABLE"


def test_the_key_is_not_shown(server: Any) -> None:
    assert "PRIVATE" not in repr(server.options)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"server_key": ""}, "must be a private key and its certificate in PEM: "),
        ({"server_cert": "no certificate"}, "must be a private key and its certificate in PEM: "),
        ({"custom_ca": ""}, "`client_verify` needs `custom_ca`"),
        ({"custom_ca": "no certificate"}, "`custom_ca` must be certificates in PEM"),
        ({"custom_ca": "é"}, "`custom_ca` must be certificates in PEM"),
        ({"colour": 1}, 'must be a SSLConfig in text format: .* no field named "colour"'),
    ],
)
def test_a_file_without_a_usable_certificate_is_refused(
    files: Tls, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        read_ssl_file(write_config(tmp_path, files, **fields))
    assert str(raised.value).startswith(str(tmp_path / "ssl.config"))


def test_a_key_of_another_certificate_is_refused(files: Tls, tmp_path: Path) -> None:
    other = write_certificate(tmp_path)
    assert other.key_file is not None
    with pytest.raises(ConfigError, match=r"in PEM: KEY_VALUES_MISMATCH"):
        read_ssl_file(write_config(tmp_path, files, server_key=other.key_file.read_text()))


def test_an_encrypted_key_is_refused_without_asking_for_its_password(
    files: Tls, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization

    assert files.key_file is not None and files.ca_file is not None
    key = serialization.load_pem_private_key(files.key_file.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(ConfigError, match="must be a private key and its certificate in PEM"):
        ServerTls(locked, files.ca_file.read_bytes())
