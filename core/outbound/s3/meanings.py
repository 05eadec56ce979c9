"""What S3's codes mean for an input: our code, whether another try is pointless, and what to say of the object.

S3's codes: docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. Trouble between this service and S3 is never
permanent: the object is not to blame, and the operator can mend it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import ItemError
from core.outbound.s3.reasons import UNTRUSTED, Reason

ELSEWHERE = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "BucketRegionError",
        "IllegalLocationConstraintException",
        "IncorrectEndpoint",
        "PermanentRedirect",
        "Redirect",
        "TemporaryRedirect",
    }
)
_REDIRECTS = (301, 302, 307, 308)
_KMS_PASSES = re.compile("Throttl|Internal|Timeout|Unavailable|LimitExceeded")


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a refusal is told."""

    code: str
    permanent: bool
    words: str


class S3Error(ItemError):
    """S3 did not hand an object over, or did not take it.

    Attributes:
        what: the message without the object's name.
        shown: S3's own code, or what stands for it.
    """

    def __init__(self, name: str, meaning: Meaning, shown: str) -> None:
        self.shown = shown
        self.what = f"{meaning.words} ({shown})" if shown else meaning.words
        super().__init__(meaning.code, f"{name} {self.what}", permanent=meaning.permanent)


_ABSENT = Meaning("s3_not_found", True, "does not exist")
_NO_BUCKET = Meaning("s3_not_found", True, "is in a bucket that does not exist")
_NO_VERSION = Meaning("s3_not_found", True, "has no such version")
_DELETED = Meaning("s3_not_found", True, "was deleted at that version")
_DENIED = Meaning("s3_access_denied", True, "may not be read with this service's credentials")
_ANONYMOUS = Meaning("s3_access_denied", True, "may not be read without credentials, and this service has none")
_DISABLED = Meaning("s3_access_denied", True, "is closed to everybody")
_STRANGER = Meaning("s3_access_denied", True, "cannot be read: S3 does not accept this service's credentials")
_ARCHIVED = Meaning("s3_archived", True, "is archived and has to be restored first")
_CUSTOMER_KEY = Meaning("s3_encrypted", True, "is encrypted with a key that this service does not have")
_KMS = Meaning("s3_encrypted", True, "is encrypted with a KMS key that cannot be used")
_URI = Meaning("s3_uri_invalid", True, "is not a key that can be read")
_VERSION_URI = Meaning("s3_uri_invalid", True, "names no version that S3 could have given")
_REFUSED = Meaning("s3_refused", True, "is refused by S3")
_BUSY = Meaning("s3_unavailable", False, "cannot be read at present: S3 is busy or out of order")
_UNREACHABLE = Meaning("s3_unavailable", False, "cannot be read at present: the S3 server cannot be reached")
_RENEW = Meaning("s3_misconfigured", False, "cannot be read until this service has new S3 credentials")
_CLOCK = Meaning("s3_misconfigured", False, "cannot be read: this service's clock is wrong")
_REGION = Meaning("s3_misconfigured", False, "cannot be read: its bucket is in another region than this service asks")
_SETUP = Meaning("s3_misconfigured", False, "cannot be read: this service's access to S3 is not set up rightly")

_CHANGED = Meaning("s3_changed", False, "was changed by somebody else meanwhile")

_BY_CODE = {
    **dict.fromkeys(("PreconditionFailed", "ConditionalRequestConflict"), _CHANGED),
    **dict.fromkeys(("NoSuchKey", "NoSuchUpload", "NoSuchObject"), _ABSENT),
    "NoSuchBucket": _NO_BUCKET,
    "NoSuchVersion": _NO_VERSION,
    **dict.fromkeys(("AllAccessDisabled", "AccountProblem", "NotSignedUp"), _DISABLED),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity"), _STRANGER),
    "AuthorizationHeaderMalformed": _STRANGER,  # where it is not about the region
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), _RENEW),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), _CLOCK),
    "InvalidObjectState": _ARCHIVED,
    **dict.fromkeys(("InvalidBucketName", "InvalidURI", "KeyTooLongError"), _URI),
    **dict.fromkeys(("SlowDown", "Busy", "ServiceUnavailable", "InternalError", "OperationAborted"), _BUSY),
    **dict.fromkeys(("RequestTimeout", "Throttling", "ThrottlingException", "RequestLimitExceeded"), _BUSY),
    **dict.fromkeys(("BandwidthLimitExceeded", "TooManyRequests", "TooManyRequestsException"), _BUSY),
}


def is_elsewhere(reason: Reason) -> bool:
    """Whether the bucket is in another region than was asked, and asking there may help."""
    if reason.code == "AuthorizationHeaderMalformed":  # also said of credentials that are no good
        return bool(reason.region)
    return reason.code in ELSEWHERE or (not reason.code and reason.status in _REDIRECTS)


def changed(name: str) -> S3Error:
    """The error of an object that is not the one that was to be written over."""
    return S3Error(name, _CHANGED, "")


def knows_no_condition(error: S3Error) -> bool:
    """Whether a server refused a write because it knows no If-Match and If-None-Match."""
    return error.shown in ("NotImplemented", "HTTP 501")


def refusal(reason: Reason, name: str, *, versioned: bool, signed: bool) -> S3Error:
    """The error for a reason.

    Args:
        name: of the object, as it was asked for.
        versioned: a version of it was asked for.
        signed: the request carried credentials.
    """
    return S3Error(name, _meaning(reason, versioned, signed), reason.shown)


def _meaning(reason: Reason, versioned: bool, signed: bool) -> Meaning:
    code, said = reason.code, reason.message.lower()
    if reason.invalid:
        return _URI
    if reason.setup or reason.connection:
        return _SETUP if reason.setup or reason.connection == UNTRUSTED else _UNREACHABLE
    if is_elsewhere(reason):
        return _REGION
    if code.startswith("KMS"):
        return _BUSY if _KMS_PASSES.search(code) else _KMS
    if code == "AccessDenied" and "kms:" in said:
        return _KMS
    if code in ("InvalidRequest", "InvalidArgument") and "encryption" in said:
        return _CUSTOMER_KEY
    if versioned and code == "MethodNotAllowed":
        return _DELETED
    if versioned and code == "InvalidArgument":
        return _VERSION_URI
    return _BY_CODE.get(code) or _by_status(reason.status, signed)


def _by_status(status: int, signed: bool) -> Meaning:
    """For codes of other servers than Amazon's, and for answers without one."""
    if status == 404:
        return _ABSENT
    if status == 412:
        return _CHANGED
    if status in (401, 403):
        return _DENIED if signed else _ANONYMOUS
    if status in (408, 429) or status >= 500:
        return _BUSY
    return _REFUSED
