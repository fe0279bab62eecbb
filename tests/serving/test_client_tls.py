"""The client over TLS: it trusts whom it is told to, and shows a certificate if it has one."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import write_certificate

from serving.client import ClientError, Ranker, Retry, Tls
from transforms.errors import ConfigError

ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate that vouches for itself, for both sides."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"model_version_status": []}')

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def rest_server(tls: Tls) -> Iterator[str]:
    assert tls.certificate_file is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.ca_file)
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def rpc_server(tls: Tls) -> Iterator[str]:
    assert tls.ca_file is not None and tls.key_file is not None
    certificate, key = tls.ca_file.read_bytes(), tls.key_file.read_bytes()
    credentials = grpc.ssl_server_credentials([(key, certificate)], certificate, True)

    class Generic(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda body, context: b"")

    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Generic()])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"grpcs://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("serving", [rest_server, rpc_server])
def test_a_server_is_trusted_by_its_authority_and_trusts_a_certificate(
    serving: Any, tls: Tls
) -> None:
    with serving(tls) as url:
        with Ranker(url, tls=tls, retry=ONCE) as ranker:
            assert ranker.status() == ()
        for other in (Tls(), Tls(ca_file=tls.ca_file)):
            with Ranker(url, tls=other, retry=ONCE) as ranker, pytest.raises(ClientError):
                ranker.status()


def test_files_that_are_no_certificates_are_refused(tls: Tls, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="`tls` must name PEM files"):
        Ranker("https://server", tls=Tls(tmp_path / "a.pem"))
    with pytest.raises(ConfigError, match="`key_file` must be a file"):
        Tls(certificate_file=tls.ca_file, key_file=tmp_path / "b.pem")
