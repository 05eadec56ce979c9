"""Signatures on webhooks: Standard Webhooks 1.0, symmetric (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from core.errors import RequestError

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64  # as the specification has it


def new_secret() -> str:
    """A fresh signing secret: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def check_secret(secret: str) -> bytes:
    """The key inside a secret.

    Raises:
        RequestError: `webhook_secret_invalid`.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        key = b""
    if not secret.startswith(PREFIX) or not MIN_BYTES <= len(key) <= MAX_BYTES:
        message = f"a webhook secret is {PREFIX} and {MIN_BYTES} to {MAX_BYTES} bytes in base64"
        raise RequestError("webhook_secret_invalid", message, where="/webhook/secret")
    return key


def sign(secret: str, msg_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one message.

    Args:
        secret: `whsec_...`.
        msg_id: the same for every attempt to deliver the message.
        timestamp: of this attempt, in Unix seconds.
        body: exactly the bytes that are sent.

    Returns:
        `v1,` and the HMAC-SHA256 of `msg_id.timestamp.body` in base64.

    Raises:
        RequestError: `webhook_secret_invalid`.
    """
    content = f"{msg_id}.{timestamp}.".encode() + body
    digest = hmac.new(check_secret(secret), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode("ascii")


def signed_headers(
    secret: str, msg_id: str, timestamp: int, body: bytes, previous: Sequence[str] = ()
) -> dict[str, str]:
    """The three headers a receiver needs to verify `body`; arguments as for `sign`.

    Args:
        previous: replaced secrets that sign beside the present one; a receiver accepts the message if one of the
            signatures is right.
    """
    return {
        "webhook-id": msg_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(each, msg_id, timestamp, body) for each in (secret, *previous)),
    }
