"""What boto3's and obstore's errors say: S3's code, the HTTP status, where a bucket lies, or what kept us from asking.

S3 answers an error with a small XML document (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). boto3 hands
it over in pieces; obstore has it only in the text of its error, in the form in which Rust shows a string.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from obstore import exceptions as obstore

# Everything that reading, writing or listing may raise. FileNotFoundError and its like are obstore's, too; ValueError
# is what both say of an endpoint that is no URL.
ERRORS = (obstore.BaseError, BotoCoreError, ClientError, OSError, ValueError)

_BROKEN = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.ChecksumError,
    boto.FlexibleChecksumError,
)
# Keys have no line ends, so that none can pass for the answer.
_ANSWER = re.compile(r'\n\s*status: (?P<status>[1-5]\d\d),\s+body: Some\(\s*"(?P<body>.*)', re.DOTALL)
_STATUS = re.compile(r"\n\s*status: (?P<status>[1-5]\d\d),")
_ELEMENT = re.compile(r"<(?P<name>Code|Region|Message)>\s*(?P<text>[^<]{0,2000}?)\s*</(?P=name)>")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,79}", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_RAISED = re.compile(r"type: <class '(?:\w+\.)*(?P<name>\w+)'>", re.ASCII)
_BARE_REDIRECT = "inner: BareRedirect"
# What stands in obstore's account of a failed connection, and how it is told.
_CONNECTION = (
    ("InvalidCertificate", "TLS certificate not trusted"),
    ("invalid peer certificate", "TLS certificate not trusted"),
    ("dns error", "unknown host"),
    ("ConnectionRefused", "connection refused"),
    ("kind: Timeout", "timed out"),
    ("TimedOut", "timed out"),
    ("InvalidContentType", "no TLS there"),
    ("ConnectionReset", "connection reset"),
    ("inner: Http(", "connection broken"),
)
UNTRUSTED = _CONNECTION[0][1]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why S3 did not do as it was asked, as far as the error tells.

    Attributes:
        code: S3's own.
        status: of its answer; 0 if there was none.
        region: where the bucket is.
        message: S3's words: may name accounts and keys of the operator's, and is not for clients.
        connection: why there was no answer.
        setup: what is wrong with credentials or configuration, so that nothing was asked.
        invalid: the request cannot be put into S3's form.
    """

    code: str = ""
    status: int = 0
    region: str = ""
    message: str = ""
    connection: str = ""
    setup: str = ""
    invalid: bool = False

    @property
    def shown(self) -> str:
        """The reason in one word or few, safe to show."""
        return self.code or (f"HTTP {self.status}" if self.status else self.connection or self.setup)


def reason_of(error: Exception) -> Reason:
    """The reason inside an error of boto3's or obstore's."""
    if isinstance(error, ClientError):
        return _of_client_error(error)
    if isinstance(error, boto.ParamValidationError | obstore.InvalidPathError):
        return Reason(invalid=True)
    if isinstance(error, boto.SSLError) and "certificate" in str(error).lower():
        return Reason(connection=UNTRUSTED)
    if isinstance(error, _BROKEN):
        return Reason(connection=type(error).__name__)
    if isinstance(error, BotoCoreError | ValueError):
        return Reason(setup=type(error).__name__)
    return _of_text(str(error), error)


def _of_client_error(error: ClientError) -> Reason:
    told = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    code, status = str(told.get("Code", "")), int(meta.get("HTTPStatusCode", 0))
    region = str(told.get("Region") or meta.get("HTTPHeaders", {}).get("x-amz-bucket-region", ""))
    if code.isdigit():  # boto3's stand-in where the answer had no body
        code = ""
    return Reason(_clean(code, _CODE), status, _clean(region, _REGION), str(told.get("Message", "")))


def _of_text(text: str, error: Exception) -> Reason:
    answer = _ANSWER.search(text)
    if answer:
        found: dict[str, str] = {}
        for element in _ELEMENT.finditer(answer["body"]):
            found.setdefault(element["name"], element["text"])
        code, region = _clean(found.get("Code", ""), _CODE), _clean(found.get("Region", ""), _REGION)
        return Reason(code, int(answer["status"]), region, found.get("Message", ""))
    status = _STATUS.search(text)
    if status:
        return Reason(status=int(status["status"]))
    if _BARE_REDIRECT in text:
        return Reason(status=301)
    if isinstance(error, FileNotFoundError):  # the system's own if not obstore's: a file with certificates, say
        return Reason(status=404) if text.startswith("Object at location") else Reason(setup=type(error).__name__)
    raised = _RAISED.search(text)
    if raised:  # by the function that we gave obstore for credentials
        return Reason(setup=raised["name"])
    if isinstance(error, obstore.UnauthenticatedError | obstore.PermissionDeniedError):
        return Reason(status=403)
    told = (words for sign, words in _CONNECTION if sign in text)
    return Reason(connection=next(told, type(error).__name__))


def _clean(text: str, form: re.Pattern[str]) -> str:
    """The text if it looks as it should; a server that is none of S3's may send anything."""
    return text if form.fullmatch(text) else ""
