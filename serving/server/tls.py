"""The server's certificate, for both of its ports."""

import os
import ssl
from dataclasses import dataclass, field

from transforms.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How the server proves who it is, and whether its clients must.

    Attributes:
        key: the private key, PEM, not encrypted.
        certificate: with its chain, PEM.
        ca: authorities that clients' certificates are checked by, PEM.
        client_verify: whether a client must have a certificate of theirs.

    Raises:
        ConfigError: if key and certificate are no pair, or something is missing.
    """

    key: bytes = field(repr=False)
    certificate: bytes
    ca: bytes = b""
    client_verify: bool = False

    def __post_init__(self) -> None:
        if self.client_verify and not self.ca:
            raise ConfigError("`client_verify` needs `custom_ca`: the authorities of the clients")
        self.context()

    def context(self) -> ssl.SSLContext:
        """For REST: TLS 1.2 and later, which is Python's own default.

        Raises:
            ConfigError: if key and certificate are no pair.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            self._load_pair(context)
        except ssl.SSLError as error:
            raise ConfigError(
                "`server_key` and `server_cert` must be a private key and its certificate in PEM: "
                f"{error.reason or error}"
            ) from None
        if self.client_verify:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(cadata=self.ca.decode("ascii"))
            except (ssl.SSLError, UnicodeDecodeError):
                raise ConfigError("`custom_ca` must be certificates in PEM") from None
        return context

    def _load_pair(self, context: ssl.SSLContext) -> None:
        # OpenSSL reads files only; this one is in memory, so that no disk gets the key.
        with open(os.memfd_create("certificate"), "wb") as file:  # noqa: PTH123
            file.write(self.key + b"\n" + self.certificate)
            file.flush()
            # Without a password it would ask for that of an encrypted key on the terminal.
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password="")
