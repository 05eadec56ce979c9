"""Which IP addresses are plain public unicast, and so may be dialled on behalf of a stranger.

Written as our own tables because `ipaddress.is_global` has gaps (it passes multicast and NAT64) and changes
between Python releases. Sources: the IANA special-purpose address registries (RFC 6890 and its updates).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_V4_REFUSED = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; also Alibaba's metadata, 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host agent: a public number that is always the machine's own host
        "169.254.0.0/16",  # link-local; metadata services, 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata, 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Unicast space that is handed out. Everything else is refused without being named: loopback, unspecified,
# link-local, site-local, ULA (fd00:ec2::254), multicast, IPv4-mapped and -compatible, NAT64 (64:ff9b::/96 and
# 64:ff9b:1::/48), discard-only, SRv6. What carries an IPv4 address inside is thereby refused with it.
_V6_PUBLIC = IPv6Network("2000::/3")
_V6_REFUSED = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, AMT
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
        "3ffe::/16",  # 6bone, given back
    )
)
_V4_RANGES = tuple((int(net.network_address), int(net.broadcast_address)) for net in _V4_REFUSED)


@lru_cache(maxsize=8192)
def address_allowed(ip: str) -> bool:
    """Whether an address is plain public unicast. What does not read as an address is not.

    Args:
        ip: an IPv4 or IPv6 address as the system prints it; a zone (`%eth0`) makes it link-local, so refused.
    """
    try:
        if ":" not in ip:
            number = int(IPv4Address(ip))
            return not any(first <= number <= last for first, last in _V4_RANGES)
        address = IPv6Address(ip)
    except ValueError:
        return False
    if address.scope_id is not None or address not in _V6_PUBLIC:
        return False
    return not any(address in network for network in _V6_REFUSED)
