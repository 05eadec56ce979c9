"""Our signatures are the ones the Standard Webhooks library verifies."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from core.errors import RequestError
from core.outbound.signing import check_secret, new_secret, sign, signed_headers

BODY = '{"type":"job.completed","data":{"name":"Äpfel"}}'.encode()


def test_the_reference_library_accepts() -> None:
    secret = new_secret()
    headers = signed_headers(secret, "msg_1", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY, headers)["type"] == "job.completed"


def test_the_reference_library_notices_a_change() -> None:
    secret, now = new_secret(), int(time.time())
    headers = signed_headers(secret, "msg_1", now, BODY)
    for wrong in (
        (BODY + b" ", headers, secret),
        (BODY, headers | {"webhook-id": "msg_2"}, secret),
        (BODY, headers | {"webhook-timestamp": str(now - 1)}, secret),
        (BODY, headers, new_secret()),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(wrong[2]).verify(wrong[0], wrong[1])


def test_known_signature() -> None:
    """The example of the specification's libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_are_long_and_different() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(check_secret(secret)) >= 24 for secret in secrets)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        base64.b64encode(b"x" * 32).decode(),
        "whsec_" + "!" * 44,
        "whsec_" + "ä" * 44,
        "WHSEC_" + base64.b64encode(b"x" * 32).decode(),
    ],
)
def test_bad_secrets(secret: str) -> None:
    with pytest.raises(RequestError) as caught:
        sign(secret, "msg_1", 1, b"")
    assert caught.value.code == "webhook_secret_invalid"
