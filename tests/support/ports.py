"""Free ports on loopback."""

from __future__ import annotations

import socket
from random import SystemRandom

# Below those that Linux hands out by itself (net.ipv4.ip_local_port_range): no connection of the hundreds that tests
# make, and no server that takes any port, gets one of these between its choice and its use.
_PORTS = range(12_000, 32_000)


def free_port() -> int:
    """A TCP port that was free a moment ago, and that only whoever names it gets."""
    while True:
        port = SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def listening(port: int) -> bool:
    """Whether somebody answers on the port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
