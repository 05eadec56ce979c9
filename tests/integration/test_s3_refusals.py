"""Why S3 said no: its own code stands in the message, and decides whether another try is pointless.

SeaweedFS gives what it can (tests/integration/test_sources.py has more of that); the rest comes from a server that
speaks S3's error documents.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.demo.local_s3 import LocalS3, local_s3
from core.errors import ItemError, TaglineError
from core.outbound.s3.store import S3Store
from core.settings import load_settings
from core.storage.uploads import BucketUploads, FolderUploads
from tests.support.s3_answers import PHOTO, Answer, S3Answers, s3_answers
from worker.sources.s3 import S3Source
from worker.sources.source import SourceContext

MAX_BYTES = 1000
Open = Callable[..., S3Store]


@pytest.fixture
def s3() -> Iterator[S3Answers]:
    with s3_answers() as running:
        yield running


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def store(url: str, **settings: object) -> S3Store:
    return S3Store(load_settings(s3_endpoint_url=url, fetch_timeout_s=2.0, fetch_connect_timeout_s=1.0, **settings))


def refused(do: Callable[[], Any]) -> ItemError:
    with pytest.raises(ItemError) as caught:
        do()
    for hidden in ("hidden-secret", "AKIAEXAMPLE", "123456789012", "127.0.0.1", "/pytest"):
        assert hidden not in caught.value.message
    return caught.value


SAID = [
    (404, "NoSuchKey", "s3_not_found", True),
    (404, "NoSuchBucket", "s3_not_found", True),
    (403, "AccessDenied", "s3_access_denied", True),
    (403, "AllAccessDisabled", "s3_access_denied", True),
    (403, "AccountProblem", "s3_access_denied", True),
    (403, "InvalidAccessKeyId", "s3_access_denied", True),
    (403, "SignatureDoesNotMatch", "s3_access_denied", True),
    (400, "InvalidToken", "s3_access_denied", True),
    (400, "AuthorizationHeaderMalformed", "s3_access_denied", True),
    (400, "ExpiredToken", "s3_misconfigured", False),
    (403, "ExpiredToken", "s3_misconfigured", False),
    (400, "TokenRefreshRequired", "s3_misconfigured", False),
    (403, "RequestTimeTooSkewed", "s3_misconfigured", False),
    (403, "InvalidObjectState", "s3_archived", True),
    (400, "KMS.DisabledException", "s3_encrypted", True),
    (400, "KMS.NotFoundException", "s3_encrypted", True),
    (400, "KMS.KMSInvalidStateException", "s3_encrypted", True),
    (400, "KMS.ThrottlingException", "s3_unavailable", False),
    (503, "SlowDown", "s3_unavailable", False),
    (503, "ServiceUnavailable", "s3_unavailable", False),
    (500, "InternalError", "s3_unavailable", False),
    (400, "RequestTimeout", "s3_unavailable", False),
    (429, "TooManyRequests", "s3_unavailable", False),
    (405, "MethodNotAllowed", "s3_refused", True),
    (400, "InvalidStorageClass", "s3_refused", True),
    (400, "KeyTooLongError", "s3_uri_invalid", True),
    # of servers that have codes of their own
    (403, "XMinioAdminInvalidAccessKey", "s3_access_denied", True),
    (507, "XMinioStorageFull", "s3_unavailable", False),
    (400, "XWhatever", "s3_refused", True),
    (404, "XGone", "s3_not_found", True),
]


@pytest.mark.parametrize("key", ["a.jpg", "a//b.jpg"], ids=["obstore", "boto3"])
def test_the_code_of_s3_stands_in_the_message_and_decides(s3: S3Answers, key: str) -> None:
    """Fails if obstore tells its errors in another form: then every code would be lost."""
    wrong = {}
    reading = store(s3.url)
    for status, code, ours, permanent in SAID:
        s3.answers = {f"/photos/{key}": Answer(status, code)}
        error = refused(lambda: reading.get("photos", key, MAX_BYTES))
        if (error.code, error.permanent) != (ours, permanent) or f"({code})" not in error.message:
            wrong[status, code] = (error.code, error.permanent, error.message)
        assert f"s3://photos/{key} " in error.message
    assert wrong == {}
    assert s3.count("HEAD") == 0, "what is told is not asked for again"


@pytest.mark.parametrize(
    ("answer", "code", "permanent", "said"),
    [
        (
            Answer(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct "
                   "parameters must be provided to retrieve the object."),
            "s3_encrypted", True, "(InvalidRequest)",
        ),
        (Answer(400, "InvalidRequest", "Missing required header"), "s3_refused", True, "(InvalidRequest)"),
        (
            Answer(403, "AccessDenied", "arn:aws:iam::123456789012:user/o is not authorized to perform: kms:Decrypt"),
            "s3_encrypted", True, "(AccessDenied)",
        ),
        (Answer(403), "s3_access_denied", True, "(HTTP 403)"),
        (Answer(404), "s3_not_found", True, "(HTTP 404)"),
        (Answer(400), "s3_refused", True, "(HTTP 400)"),
        (Answer(502, body=b"<html>Bad gateway</html>"), "s3_unavailable", False, "(HTTP 502)"),
        (Answer(403, body=b"<html><Code>" + b"x" * 5000), "s3_access_denied", True, "(HTTP 403)"),
        (Answer(403, "../../etc/passwd"), "s3_access_denied", True, "(HTTP 403)"),
    ],
)  # fmt: skip
def test_what_is_not_told_by_the_code_alone(
    s3: S3Answers, answer: Answer, code: str, permanent: bool, said: str
) -> None:
    s3.answers = {"/photos/a.jpg": answer}
    error = refused(lambda: store(s3.url).get("photos", "a.jpg", MAX_BYTES))
    assert (error.code, error.permanent) == (code, permanent)
    assert error.message.endswith(said)


def test_a_key_cannot_pass_for_an_answer(s3: S3Answers) -> None:
    key = 'x status: 503, body: Some( "<Error><Code>SlowDown</Code>'
    error = refused(lambda: store(s3.url).get("photos", key, MAX_BYTES))
    assert (error.code, error.permanent) == ("s3_not_found", True)
    assert error.message.endswith("(NoSuchKey)")


# The region

MOVED = [
    Answer(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-1"}),
    Answer(301, headers={"x-amz-bucket-region": "eu-west-1"}),
    Answer(400, "AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"),
    Answer(400, "IllegalLocationConstraintException", headers={"x-amz-bucket-region": "eu-west-1"}),
]


@pytest.mark.parametrize("moved", MOVED, ids=["redirect", "bare redirect", "malformed", "constraint"])
@pytest.mark.parametrize("key", ["a.jpg", "a//b.jpg"], ids=["obstore", "boto3"])
def test_a_bucket_elsewhere_is_read_there_and_remembered(s3: S3Answers, moved: Answer, key: str) -> None:
    s3.home, s3.elsewhere = "eu-west-1", moved
    s3.answers = {f"/photos/{key}": Answer(body=PHOTO), "PUT /photos/b.jpg": Answer()}
    reading = store(s3.url)
    assert reading.get("photos", key, MAX_BYTES) == PHOTO
    assert s3.count() <= 5
    before = s3.count()
    assert reading.get("photos", key, MAX_BYTES) == PHOTO
    assert s3.count() == before + 1
    reading.put("photos", "b.jpg", b"x")
    assert s3.count() == before + 2


def test_a_listing_follows_too(s3: S3Answers) -> None:
    s3.home, s3.elsewhere = "eu-west-1", MOVED[0]
    page = (
        b"<ListBucketResult><Contents><Key>a.jpg</Key></Contents><Contents><Key>b/</Key></Contents></ListBucketResult>"
    )
    s3.answers = {"/photos": Answer(body=page)}
    assert list(store(s3.url).list("photos", "")) == ["a.jpg"]


def test_a_region_that_nobody_tells_is_told_as_ours(s3: S3Answers) -> None:
    s3.answers = dict.fromkeys(("/photos/a.jpg", "/photos"), Answer(301, "PermanentRedirect"))
    error = refused(lambda: store(s3.url).get("photos", "a.jpg", MAX_BYTES))
    assert (error.code, error.permanent) == ("s3_misconfigured", False)
    assert "another region" in error.message


def test_a_server_that_sends_us_round_in_circles_is_left(s3: S3Answers) -> None:
    s3.answers = dict.fromkeys(("/photos/a.jpg", "/photos"), MOVED[2])
    error = refused(lambda: store(s3.url).get("photos", "a.jpg", MAX_BYTES))
    assert (error.code, error.permanent) == ("s3_misconfigured", False)
    assert s3.count() <= 5


# Before anything is answered


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = refused(lambda: store(url).get("photos", "a.jpg", MAX_BYTES))
    assert (error.code, error.permanent) == ("s3_unavailable", False)
    assert error.message.endswith("(connection refused)")
    error = refused(lambda: store("http://no.such.host.invalid").get("photos", "a.jpg", MAX_BYTES))
    assert error.message.endswith("(unknown host)")


def test_a_server_that_never_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        reading = S3Store(load_settings(s3_endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
                                        fetch_timeout_s=0.3))  # fmt: skip
        error = refused(lambda: reading.get("photos", "a.jpg", MAX_BYTES))
    assert (error.code, error.permanent) == ("s3_unavailable", False)
    assert error.message.endswith("(timed out)")


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    files = [str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[0], "-out", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])

    def greet(listening: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listening.accept()
                context.wrap_socket(accepted, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        threading.Thread(target=greet, args=(listening,), daemon=True).start()
        reading = store(f"https://127.0.0.1:{listening.getsockname()[1]}")
        for key in ("a.jpg", "a//b.jpg"):
            error = refused(lambda key=key: reading.get("photos", key, MAX_BYTES))
            assert (error.code, error.permanent) == ("s3_misconfigured", False)
            assert error.message.endswith("(TLS certificate not trusted)")


def test_no_credentials_are_told_from_wrong_ones(s3: S3Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.answers = {"/photos/a.jpg": Answer(403, "AccessDenied")}
    assert "may not be read with this" in refused(lambda: store(s3.url).get("photos", "a.jpg", MAX_BYTES)).message
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = refused(lambda: store(s3.url).get("photos", "a.jpg", MAX_BYTES))
    assert (error.code, error.permanent) == ("s3_access_denied", True)
    assert "this service has none (AccessDenied)" in error.message


@pytest.mark.parametrize("how", ["partial", "program", "profile"])
def test_credentials_that_cannot_be_had(
    s3: S3Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    if how == "partial":
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    elif how == "program":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        (tmp_path / "config").write_text("[default]\ncredential_process = /bin/false hidden-secret\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    else:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
    for key in ("a.jpg", "a//b.jpg"):
        error = refused(lambda key=key: store(s3.url).get("photos", key, MAX_BYTES))
        assert (error.code, error.permanent) == ("s3_misconfigured", False)
    assert s3.count() == 0


# Versions, payers, compressed objects


def test_a_version_is_asked_for(s3: S3Answers) -> None:
    s3.answers = dict.fromkeys(("/photos/a.jpg", "/photos/a//b.jpg"), Answer(body=PHOTO))
    source = S3Source(SourceContext(load_settings(s3_endpoint_url=s3.url, fetch_max_bytes=MAX_BYTES), None, None))  # type: ignore[arg-type]
    for key in ("a.jpg", "a//b.jpg"):
        assert source.load(f"s3://photos/{key}?versionId=3HL4kqtJvjVBH40Nrjfkd", "acme") == PHOTO
        assert s3.asked[-1][1].endswith("?versionId=3HL4kqtJvjVBH40Nrjfkd")
    for answer, code in (
        (Answer(404, "NoSuchVersion"), "s3_not_found"),
        (Answer(405, "MethodNotAllowed"), "s3_not_found"),  # what S3 says of a version that deletes
        (Answer(400, "InvalidArgument", "Invalid version id specified"), "s3_uri_invalid"),
    ):
        s3.answers = {"/photos/a.jpg": answer}
        error = refused(lambda: source.load("s3://photos/a.jpg?versionId=null", "acme"))
        assert (error.code, error.permanent) == (code, True)
        assert "s3://photos/a.jpg?versionId=null " in error.message
    source.close()


def test_a_version_is_no_way_round_the_rules(s3: S3Answers) -> None:
    settings = load_settings(s3_endpoint_url=s3.url, uploads_url="s3://uploads/mine", s3_buckets=("uploads",))
    source = S3Source(SourceContext(settings, None, None))  # type: ignore[arg-type]
    place = "mine/ab/cd/" + "0" * 64
    for ref in (
        f"s3://uploads/{place}?versionId=null",
        f"s3://uploads/{place}/",
        f"s3://uploads/{place}/.",
        f"s3://uploads/mine/ab//cd/{'0' * 64}",
        f"s3://uploads/mine/ab/x/../cd/./{'0' * 64}",
        "s3://photos/a.jpg?versionId=null",
    ):
        assert refused(lambda ref=ref: source.load(ref, "acme")).code == "s3_access_denied", ref
    assert s3.count() == 0
    source.close()


def test_charges_are_accepted_for_the_named_buckets_alone(s3: S3Answers) -> None:
    paths = [f"/{bucket}/{key}" for bucket in ("paid", "other") for key in ("a.jpg", "a//b.jpg")]
    s3.answers = dict.fromkeys(paths, Answer(body=PHOTO))
    reading = store(s3.url, s3_requester_pays=("paid",))
    for path in paths:
        _, bucket, key = path.split("/", 2)
        assert reading.get(bucket, key, MAX_BYTES) == PHOTO
        assert ("x-amz-request-payer" in s3.asked[-1][2]) == (bucket == "paid"), path


GZIPPED = gzip.compress(PHOTO)


@pytest.mark.parametrize("key", ["a.jpg", "a//b.jpg"], ids=["obstore", "boto3"])
@pytest.mark.parametrize(
    ("coding", "body", "read"),
    [
        ("gzip", GZIPPED, PHOTO),
        ("GZIP", GZIPPED, PHOTO),
        ("aws-chunked,gzip", GZIPPED, PHOTO),
        ("gzip", gzip.compress(PHOTO[:4]) + gzip.compress(PHOTO[4:]), PHOTO),
        ("gzip", GZIPPED + b"junk", PHOTO),
        ("gzip", GZIPPED[:-9], PHOTO[: len(PHOTO)]),
        ("gzip", PHOTO, PHOTO),
        ("gzip", b"", b""),
        ("gzip, gzip", gzip.compress(GZIPPED), PHOTO),
        ("deflate", zlib.compress(PHOTO), PHOTO),
        ("utf-8", PHOTO, PHOTO),
        ("", GZIPPED, GZIPPED),
    ],
)
def test_what_is_stored_compressed_is_unpacked(s3: S3Answers, key: str, coding: str, body: bytes, read: bytes) -> None:
    s3.answers = {f"/photos/{key}": Answer(headers={"Content-Encoding": coding}, body=body)}
    assert store(s3.url).get("photos", key, MAX_BYTES) == read


def test_what_unpacks_to_too_much_is_refused(s3: S3Answers) -> None:
    bodies = (gzip.compress(bytes(MAX_BYTES + 1)), gzip.compress(bytes(MAX_BYTES)) + gzip.compress(b"x"))
    for body in bodies:
        s3.answers = {"/photos/a.jpg": Answer(headers={"Content-Encoding": "gzip"}, body=body)}
        error = refused(lambda: store(s3.url).get("photos", "a.jpg", MAX_BYTES))
        assert (error.code, error.permanent) == ("fetch_too_large", True)


# Uploads


def test_where_uploads_lie_is_nobodys_business(s3: S3Answers) -> None:
    uploads = BucketUploads(store(s3.url), "private-bucket", "place", MAX_BYTES)
    sha256 = "0" * 64
    for answer, code in (
        (Answer(403, "ExpiredToken"), "s3_misconfigured"),
        (Answer(403, "AccessDenied"), "s3_access_denied"),
        (Answer(404, "NoSuchBucket"), "s3_not_found"),
        (Answer(503, "SlowDown"), "s3_unavailable"),
    ):
        s3.answers = {f"/private-bucket/place/00/00/{sha256}": answer}
        error = refused(lambda: uploads.get(sha256))
        assert (error.code, error.permanent) == (code, False)
        assert f"({answer.code})" in error.message
        assert "private-bucket" not in error.message
    s3.answers = {}
    assert refused(lambda: uploads.get(sha256)).code == "upload_not_found"
    with pytest.raises(TaglineError) as caught:
        uploads.put(b"x")
    assert caught.value.code == "storage_unavailable"
    assert "private-bucket" not in caught.value.message


def test_a_folder_that_cannot_be_written_is_told_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TaglineError) as caught:
        FolderUploads(tmp_path / "file" / "uploads").put(b"x")
    assert caught.value.code == "storage_unavailable"
    assert str(tmp_path) not in caught.value.message


# What SeaweedFS says itself


@pytest.fixture(scope="module")
def seaweed() -> Iterator[LocalS3]:
    with local_s3(buckets=("photos",)) as running:
        yield running


def test_the_words_of_a_real_server(seaweed: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    good = store(seaweed.endpoint_url)
    good.put("photos", "a.jpg", PHOTO)
    assert good.get("photos", "a.jpg", MAX_BYTES) == PHOTO
    for key, absent in (("a.jpg", "none.jpg"), ("a//b.jpg", "no//ne.jpg")):
        assert refused(lambda k=absent: good.get("photos", k, MAX_BYTES)).message.endswith("(NoSuchKey)")
        assert refused(lambda k=key: good.get("no-such-bucket", k, MAX_BYTES)).message.endswith("(NoSuchBucket)")
    assert refused(lambda: list(good.list("no-such-bucket", ""))).message.endswith("(NoSuchBucket)")
    for name, value, said in (
        ("AWS_SECRET_ACCESS_KEY", "wrong", "(SignatureDoesNotMatch)"),
        ("AWS_ACCESS_KEY_ID", "nobody", "(InvalidAccessKeyId)"),
    ):
        monkeypatch.setenv(name, value)
        for key in ("a.jpg", "a//b.jpg"):
            error = refused(lambda k=key: store(seaweed.endpoint_url).get("photos", k, MAX_BYTES))
            assert (error.code, error.permanent) == ("s3_access_denied", True)
            assert error.message.endswith(said)
