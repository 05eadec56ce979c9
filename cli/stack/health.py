"""Whether a server is ready for work, asked as a load balancer would."""

from __future__ import annotations

import json
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

_TIMEOUT_S = 2.0


def why_not_ready(url: str, timeout_s: float = _TIMEOUT_S) -> str | None:
    """What /healthz or /readyz has against it, or that one takes longer to say so; None once both answer 200."""
    opener = build_opener(ProxyHandler({}))
    for path in ("/healthz", "/readyz"):
        try:
            with opener.open(url + path, timeout=timeout_s) as answer:
                if answer.status != 200:
                    return f"{path} answers {answer.status}"
        except HTTPError as error:
            with error:
                return _explain(path, error.code, error.read(2000))
        except (OSError, HTTPException):
            return "the API does not answer"
    return None


def _explain(path: str, status: int, body: bytes) -> str:
    try:
        checks = json.loads(body)["checks"]
        return ", ".join(f"{name}: {state}" for name, state in checks.items() if state != "ok")
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{path} answers {status}"
