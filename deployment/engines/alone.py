"""A network of its own, with nothing in it but loopback.

Beam's job server and runner listen on all addresses, whatever host they are told, and would
run any job that anybody sends. In a network namespace there is nobody else.
"""

import fcntl
import socket
import struct
import subprocess

UNSHARE = ("unshare", "--net", "--map-root-user")
_GET_FLAGS, _SET_FLAGS, _IS_UP = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP
_REQUEST = "16sH14x"


def can_be_alone() -> bool:
    """Whether this machine lets us make a network namespace."""
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def bring_loopback_up() -> None:
    """Loopback is down in a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack(_REQUEST, b"lo", 0)
        _, flags = struct.unpack(_REQUEST, fcntl.ioctl(any_socket, _GET_FLAGS, asked))
        if not flags & _IS_UP:
            fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack(_REQUEST, b"lo", flags | _IS_UP))
