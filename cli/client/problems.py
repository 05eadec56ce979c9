"""What can go wrong between a command and the server, and whether it is worth another try."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.error import HTTPError, URLError

from cli.terminal import Failure

REFUSED, UNREACHABLE = 1, 3  # exit codes
IN_USE = "idempotency_key_in_use"
_TRANSIENT_STATUS = (408, 425, 429)
_TRANSIENT_CODES = (IN_USE, "body_incomplete")
_PERMANENT_STATUS = (501, 505)
_PERMANENT_CODES = ("model_unavailable",)  # until an operator repairs it
_MAX_CHARS = 500  # characters of a message
_MAX_RETRY_AFTER_S = 3600.0


class CallFailed(Failure):
    """A call that did not succeed.

    Attributes:
        transient: whether the same call may succeed later.
        may_have_arrived: whether the server may have done what was asked.
        code: the server's, if it gave one.
        retry_after_s: how long the server asked to wait; None if it did not say.
    """

    def __init__(self, message: str, exit_code: int, *, transient: bool) -> None:
        super().__init__(message if len(message) <= _MAX_CHARS else message[: _MAX_CHARS - 1] + "…", exit_code)
        self.transient = transient
        self.may_have_arrived = transient
        self.code: str | None = None
        self.retry_after_s: float | None = None


class Unreachable(CallFailed):
    """No answer, or none that can be read; exit code 3."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, UNREACHABLE, transient=transient)


class ApiProblem(CallFailed):
    """The server, or a proxy before it, said no; exit code 1, or 3 if it only cannot answer at present.

    Attributes:
        status: of the answer.
    """

    def __init__(self, status: int, code: str | None, message: str, retry_after_s: float | None) -> None:
        transient = code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS
        transient |= status >= 500 and status not in _PERMANENT_STATUS and code not in _PERMANENT_CODES
        super().__init__(message, UNREACHABLE if transient else REFUSED, transient=transient)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


def read_problem(status: int, reason: str, headers: Message, body: bytes) -> ApiProblem:
    """The problem that an answer tells of: ours (RFC 9457), or whatever a proxy says."""
    code = None
    try:
        problem = json.loads(body)
        message = f"{problem['detail']} ({problem['code']}"
        message += f", at {problem['where']})" if problem.get("where") else ")"
        code = str(problem["code"])
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"the server answers {status} {reason}".rstrip()
        if 300 <= status < 400 and "Location" in headers:
            message += f"; TAGLINE_URL should lead to {headers['Location']}"
    if status == 401:
        message += (
            ". Set TAGLINE_API_KEY; `tagline up` prints a key at its first start, `tagline keys create` makes one."
        )
    return ApiProblem(status, code, message, read_retry_after(headers.get("Retry-After", "")))


def read_retry_after(value: str) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110: seconds or a date), at most an hour; None if unreadable."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _MAX_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), _MAX_RETRY_AFTER_S)


@contextlib.contextmanager
def as_call_failures(url: str) -> Iterator[None]:
    """Turn whatever a library raises on the way to a server into a CallFailed.

    Only calls to the server belong into the block: an OSError of another kind (a full disk, a closed pipe) would be
    taken for the connection's.
    """
    try:
        yield
    except HTTPError as error:
        with error:
            body = _rest_of_body(error)
        raise read_problem(error.code, str(error.reason), error.headers, body) from None
    except URLError as error:
        reason = error.reason
        if isinstance(reason, ConnectionRefusedError):
            refused = Unreachable(f"nobody answers at {url}; is `tagline up` running?")
            refused.may_have_arrived = False
            raise refused from None
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Unreachable(f"{url} cannot be trusted: {reason.verify_message}", transient=False) from None
        raise Unreachable(f"cannot reach {url}: {_reason(reason)}") from None
    except UnicodeError:
        raise Unreachable(f"cannot reach {url}: that is no host name", transient=False) from None
    except (OSError, HTTPException) as error:
        raise Unreachable(f"the connection to {url} broke: {_reason(error)}") from None


def _rest_of_body(error: HTTPError) -> bytes:
    try:
        return error.read(100_000)
    except (OSError, HTTPException):
        return b""  # the status says enough


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
