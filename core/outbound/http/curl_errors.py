"""curl's result codes as our errors: what happened with which host, and whether trying again makes sense.

curl's own messages are left out where they tell what a name resolved to.
"""

from __future__ import annotations

from errno import EADDRNOTAVAIL

import pycurl

from core.errors import ItemError
from core.shortage import OUR_ERRNOS, out_of_descriptors

_TLS = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
        pycurl.E_SSL_PINNEDPUBKEYNOTMATCH,
    }
)
# A handshake can also break because the connection did; a certificate is as wrong the next time.
_TLS_TRANSIENT = pycurl.E_SSL_CONNECT_ERROR
# What this machine lacks or has set up wrongly: its certificates, not the host's. curl names their files here.
_TLS_OURS = frozenset({pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CRL_BADFILE})
# What curl reports when a socket, a look-up's thread or a file is not to be had here; also when the host is at fault.
_MAYBE_OURS = _TLS_OURS | {
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_CONNECT,
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_READ_ERROR,
}
_CERTAINLY_OURS = frozenset({pycurl.E_OUT_OF_MEMORY, pycurl.E_FAILED_INIT})
_NOT_HTTP = frozenset({pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_FTP_WEIRD_SERVER_REPLY})


def is_ours(code: int, errno: int, *, only_ipv4: bool) -> bool:
    """Whether a hop failed for want of something on this machine.

    Args:
        code: curl's result.
        errno: of the system call that failed, as far as curl knows.
        only_ipv4: no IPv6 address was dialled: on a machine without IPv6 each of them is "not available".
    """
    if code in _CERTAINLY_OURS:
        return True
    if code not in _MAYBE_OURS:
        return False
    if errno in OUR_ERRNOS and (errno != EADDRNOTAVAIL or only_ipv4):
        return True
    return out_of_descriptors()


def not_public(host: str) -> ItemError:
    """The error of a host that the guard does not let pass."""
    return ItemError("address_not_allowed", f"{host} leads to an address that is not public")


def proxy_error(code: int, answered: int, host: str) -> ItemError | None:
    """The error where the proxy is at fault, or says no; None: it is not.

    Args:
        code: curl's result.
        answered: the proxy's status to CONNECT, 0 for none.
    """
    if answered >= 300:
        message = f"the proxy does not lead to {host}: it answered {answered}"
    elif code in (pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_CONNECT):
        message = "the worker's proxy (TAGLINE_FETCH_PROXY) cannot be reached"
    else:
        return None
    return ItemError("fetch_failed", message, permanent=False)


def curl_error(code: int, reason: str, host: str, max_bytes: int) -> ItemError:
    """The error for a curl result code other than 0."""
    if code in _TLS_OURS:
        return ItemError("fetch_tls", "the worker cannot read the certificates that it trusts", permanent=False)
    if code in _TLS:
        return ItemError("fetch_tls", f"no secure connection to {host}: {reason}", permanent=code != _TLS_TRANSIENT)
    if code in _NOT_HTTP:
        return ItemError("fetch_failed", f"{host} did not answer in HTTP")
    match code:
        case pycurl.E_OPERATION_TIMEDOUT:
            return ItemError("fetch_timeout", f"{host} did not answer in time", permanent=False)
        case pycurl.E_COULDNT_RESOLVE_HOST:
            return ItemError("fetch_dns", f"no address was found for {host}", permanent=False)
        case pycurl.E_COULDNT_CONNECT:
            return ItemError("fetch_refused", f"{host} cannot be reached or refused the connection", permanent=False)
        case pycurl.E_PARTIAL_FILE:
            return ItemError("fetch_truncated", f"{host} closed before the body was complete", permanent=False)
        case pycurl.E_FILESIZE_EXCEEDED:
            return ItemError("fetch_too_large", f"the body from {host} is larger than {max_bytes} bytes")
        case pycurl.E_BAD_CONTENT_ENCODING:
            return ItemError("fetch_failed", f"the body from {host} cannot be decompressed")
        case pycurl.E_URL_MALFORMAT:
            return ItemError("url_invalid", "this URL cannot be used")
    return ItemError("fetch_failed", f"the connection to {host} broke (curl {code})", permanent=False)
