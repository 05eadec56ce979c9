"""The sources against a real web server, a real S3 server and a real folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path

import pytest

from cli.demo.local_s3 import LocalS3, local_s3
from core.errors import ItemError, Postponed
from core.inputs import Validators
from core.outbound.http.client import HttpClient
from core.outbound.s3.store import S3Store
from core.outbound.s3.uri import parse_s3_uri
from core.settings import load_settings
from core.states import Priority
from core.storage.blobs import BlobMissing
from core.storage.thumbnail_store import open_thumbnail_store, read_thumbnail
from core.storage.uploads import FolderUploads, UploadStore, open_upload_store
from tests.support.http_server import HttpServer, http_server
from worker.sources.registry import SOURCES, Sources, open_sources
from worker.sources.source import Fetched

LIMIT_S = 120.0
MAX_BYTES = 1000
Open = Callable[..., Sources]


@pytest.fixture(scope="module")
def s3_server() -> Iterator[LocalS3]:
    with local_s3(buckets=("photos", "uploads")) as running:
        yield running


@pytest.fixture
def s3(s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> LocalS3:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="module")
def bucket_store(s3_server: LocalS3) -> Iterator[S3Store]:
    """A store to prepare objects with; one for all, because boto3 is slow to start."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment().items():
            patch.setenv(name, value)
        store = S3Store(load_settings())
        store.put("photos", "a.jpg", b"a")
        yield store


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def open_(tmp_path: Path) -> Iterator[Open]:
    clients: list[HttpClient] = []
    opened: list[Sources] = []

    def open_(resolve: dict[tuple[str, str], str] | None = None, **settings: object) -> Sources:
        values = {"data_dir": tmp_path, "fetch_max_bytes": MAX_BYTES, "fetch_timeout_s": 5.0} | settings
        loaded = load_settings(**values)
        clients.append(HttpClient(loaded))
        opened.append(open_sources(loaded, clients[-1], lambda tenant, ref: (resolve or {}).get((tenant, ref))))
        return opened[-1]

    yield open_
    for sources in opened:
        sources.close()
    for client in clients:
        client.close()


def failure(answer: Future[bytes]) -> tuple[str, bool]:
    error = answer.exception(LIMIT_S)
    assert isinstance(error, ItemError)
    return error.code, error.permanent


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_answers_nonsense_with_an_item_error(kind: str, open_: Open) -> None:
    sources = open_()
    for ref in ("", "nonsense", "\0", "\ud800", "../../etc/passwd", "s3://", "http://", "x" * 100_000):
        assert failure(sources.fetch(kind, ref, "acme"))[1]
    sources.close()
    assert failure(sources.fetch("nonsense", "x", "acme")) == ("input_kind_unknown", True)


# The web


def test_web(open_: Open, server: HttpServer) -> None:
    sources = open_(allow_hosts=(server.place,))
    assert sources.fetch("url", server.url("/chain/3"), "acme").result(LIMIT_S) == b"end"
    assert sources.fetch("url", server.url("/gzip/1000"), "acme").result(LIMIT_S) == b"z" * 1000
    assert sources.fetch("url", server.url("/bytes/0"), "acme").result(LIMIT_S) == b""
    assert server.requests[-1].headers["accept"].startswith("image/")


@pytest.mark.parametrize(
    ("path", "code", "permanent"),
    [
        ("/status/404", "fetch_http_404", True),
        ("/status/410", "fetch_http_410", True),
        ("/status/304", "fetch_http_304", True),
        ("/status/429?after=3600", "fetch_http_429", False),
        ("/status/503?after=3600", "fetch_http_503", False),
        ("/bytes/1001", "fetch_too_large", True),
        ("/chain/6", "fetch_too_many_redirects", True),
        ("/redirect?to=http://10.0.0.1/", "address_not_allowed", True),
        ("/redirect?to=file:///etc/passwd", "url_scheme_not_allowed", True),
    ],
)
def test_web_failures(open_: Open, server: HttpServer, path: str, code: str, permanent: bool) -> None:
    sources = open_(allow_hosts=(server.place,))
    assert failure(sources.fetch("url", server.url(path), "acme")) == (code, permanent)


def test_web_tries_again(open_: Open, server: HttpServer) -> None:
    sources = open_(allow_hosts=(server.place,))
    assert sources.fetch("url", server.url("/flaky/503/1"), "acme").result(LIMIT_S) == b"at last"


def test_web_minds_its_hosts(open_: Open, server: HttpServer) -> None:
    sources = open_(allow_hosts=(server.place,), fetch_dead_after=1, fetch_timeout_s=0.3)
    assert failure(sources.fetch("url", server.url("/silent"), "acme")) == ("fetch_timeout", False)
    assert failure(sources.fetch("url", server.url("/bytes/1"), "acme")) == ("host_unresponsive", False)
    sources = open_(allow_hosts=(server.place,))
    error = sources.fetch("url", server.url("/status/503?after=60"), "acme").exception(LIMIT_S)
    assert isinstance(error, Postponed)
    assert 50 < error.retry_in_s <= 60
    assert failure(sources.fetch("url", server.url("/bytes/1"), "acme")) == ("host_paused", False)


def test_web_keeps_places_for_interactive_inputs(open_: Open, server: HttpServer) -> None:
    sources = open_(allow_hosts=(server.place,), fetch_concurrency=8, fetch_per_host=8, fetch_timeout_s=60)
    stuck = [sources.fetch("url", server.url(f"/silent?{number}"), "acme") for number in range(20)]
    answer = sources.fetch("url", server.url("/bytes/1"), "acme", Priority.INTERACTIVE)
    assert answer.result(LIMIT_S) == b"x"
    assert not any(one.done() for one in stuck)


KNOWN = Validators('"v1"', "Mon, 01 Jul 2024 10:00:00 GMT")


def test_web_asks_for_what_has_changed_alone(open_: Open, server: HttpServer) -> None:
    """Fails if a photo that is as it was is sent again, or what the server says of it is lost."""
    sources = open_(allow_hosts=(server.place,))
    headers = {"ETag": KNOWN.etag or "", "Last-Modified": KNOWN.modified or ""}
    server.files["a.jpg"] = (b"photo", headers)
    url = server.url("/file/a.jpg")

    def ask(known: Validators | None) -> Fetched:
        return sources.fetch_changed("url", url, "acme", known).result(LIMIT_S)

    assert ask(None) == ask(Validators()) == Fetched(b"photo", KNOWN)
    assert ask(KNOWN) == Fetched(None, KNOWN)
    sent = server.requests[-1].headers
    assert (sent["if-none-match"], sent["if-modified-since"]) == (KNOWN.etag, KNOWN.modified)
    assert ask(Validators(KNOWN.etag)) == ask(Validators(None, KNOWN.modified)) == Fetched(None, KNOWN)
    server.files["a.jpg"] = (b"other", {"ETag": 'W/"v2"'})
    assert ask(KNOWN) == Fetched(b"other", Validators('W/"v2"'))
    server.files["a.jpg"] = (b"other", {})
    assert ask(KNOWN) == Fetched(b"other", Validators())
    server.files["a.jpg"] = (b"other", {"ETag": '"' + "x" * 1000 + '"', "Last-Modified": "gestern, 10 ühr"})
    assert ask(Validators("ü", "a\r\nX-Evil: 1")) == Fetched(b"other", Validators())
    assert "x-evil" not in server.requests[-1].headers
    # Who was not asked for a condition has no business with 304.
    assert failure(sources.fetch("url", server.url("/status/304"), "acme")) == ("fetch_http_304", True)
    for known in (None, Validators()):
        answer = sources.fetch_changed("url", server.url("/status/304"), "acme", known)
        assert isinstance(error := answer.exception(LIMIT_S), ItemError)
        assert error.code == "fetch_http_304"


def test_the_condition_follows_a_redirect(open_: Open, server: HttpServer) -> None:
    sources = open_(allow_hosts=(server.place,))
    server.files["b.jpg"] = (b"photo", {"ETag": '"v1"'})
    url = server.url("/redirect?to=/file/b.jpg")
    assert sources.fetch_changed("url", url, "acme", KNOWN).result(LIMIT_S) == Fetched(None, KNOWN)


@pytest.mark.parametrize("kind", ["file", "upload", "s3"])
def test_sources_that_tell_nothing_give_the_bytes(kind: str, open_: Open, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"photo")
    sources = open_(folders=(str(tmp_path),))
    if kind == "file":
        fetched = sources.fetch_changed(kind, f"{tmp_path}/a.jpg", "acme", KNOWN).result(LIMIT_S)
        assert fetched == Fetched(b"photo", None)
    assert sources.fetch_changed(kind, "nonsense", "acme", KNOWN).exception(LIMIT_S) is not None
    assert sources.fetch_changed("nonsense", "x", "acme", KNOWN).exception(LIMIT_S) is not None


def test_web_can_be_cancelled(open_: Open, server: HttpServer) -> None:
    sources = open_(allow_hosts=(server.place,), fetch_concurrency=1, fetch_timeout_s=2)
    first = sources.fetch("url", server.url("/silent"), "acme")
    second = sources.fetch("url", server.url("/bytes/1?cancelled"), "acme")
    assert second.cancel()
    assert failure(first) == ("fetch_timeout", False)
    assert sources.fetch("url", server.url("/bytes/1"), "acme").result(LIMIT_S) == b"x"
    assert server.seen["/bytes/1?cancelled"] == 0


# S3


@pytest.mark.parametrize(
    "key",
    [
        "a.jpg",
        "a/b c.jpg",
        "ü/日本.jpg",
        "p%2Fq.jpg",
        "q?a=b#c.jpg",
        "x//y.jpg",
        "/lead.jpg",
        "~*'()!&=+,;:@$.jpg",
    ],
)
def test_s3_takes_keys_as_they_are(bucket_store: S3Store, key: str) -> None:
    bucket_store.put("photos", f"keys/{key}", key.encode())
    assert bucket_store.get("photos", f"keys/{key}", MAX_BYTES) == key.encode()


def test_s3_failures(open_: Open, s3: LocalS3, bucket_store: S3Store) -> None:
    store = bucket_store
    store.put("photos", "large", b"x" * (MAX_BYTES + 1))
    store.put("photos", "just", b"x" * MAX_BYTES)
    store.put("photos", "empty", b"")
    sources = open_()
    assert len(sources.fetch("s3", "s3://photos/just", "acme").result(LIMIT_S)) == MAX_BYTES
    assert sources.fetch("s3", "s3://photos/empty", "acme").result(LIMIT_S) == b""
    assert failure(sources.fetch("s3", "s3://photos/large", "acme")) == ("fetch_too_large", True)
    assert failure(sources.fetch("s3", "s3://photos/none", "acme")) == ("s3_not_found", True)
    assert failure(sources.fetch("s3", "s3://no-such-bucket/none", "acme")) == ("s3_not_found", True)


@pytest.mark.usefixtures("s3")
def test_s3_reads_only_where_it_may(open_: Open, bucket_store: S3Store) -> None:
    sha256 = hashlib.sha256(b"somebody's").hexdigest()
    place = f"mine/{sha256[:2]}/{sha256[2:4]}/{sha256}"
    bucket_store.put("uploads", place, b"somebody's")
    bucket_store.put("uploads", "album/b.jpg", b"b")
    sources = open_(uploads_url="s3://uploads/mine")
    assert failure(sources.fetch("s3", f"s3://uploads/{place}", "acme")) == ("s3_access_denied", True)
    assert sources.fetch("s3", "s3://uploads/album/b.jpg", "acme").result(LIMIT_S) == b"b"
    sources = open_(s3_buckets=("photos",))
    assert failure(sources.fetch("s3", "s3://uploads/album/b.jpg", "acme")) == ("s3_access_denied", True)
    assert sources.fetch("s3", "s3://photos/a.jpg", "acme").result(LIMIT_S) == b"a"


@pytest.mark.parametrize("how", ["wrong secret", "unknown key", "anonymous"])
@pytest.mark.usefixtures("bucket_store", "s3")
def test_s3_access(open_: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str) -> None:
    match how:
        case "wrong secret":
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        case "unknown key":
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unknown")
        case _:
            monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert failure(open_().fetch("s3", "s3://photos/a.jpg", "acme")) == ("s3_access_denied", True)


@pytest.mark.usefixtures("bucket_store")
def test_s3_endpoint_setting_wins(open_: Open, s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    good = open_(s3_endpoint_url=s3.endpoint_url)
    assert good.fetch("s3", "s3://photos/a.jpg", "acme").result(LIMIT_S) == b"a"
    assert failure(open_().fetch("s3", "s3://photos/a.jpg", "acme")) == ("s3_unavailable", False)


def test_s3_listing(bucket_store: S3Store) -> None:
    store = bucket_store
    keys = [f"list/{number:04}.jpg" for number in range(1, 40)]
    for key in (*keys, "list/", "listed"):
        store.put("photos", key, b"")
    assert list(store.list("photos", "list/")) == keys
    assert list(store.list("photos", "nothing/")) == []
    with pytest.raises(ItemError, match="s3_not_found"):
        list(store.list("no-such-bucket", ""))


@pytest.mark.usefixtures("s3")
def test_s3_listing_access(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ItemError, match="s3_access_denied"):
        list(S3Store(load_settings()).list("photos", ""))


def test_s3_many_at_a_time(open_: Open, s3: LocalS3, bucket_store: S3Store) -> None:
    for number in range(20):
        bucket_store.put("photos", f"many/{number}", str(number).encode())
    sources = open_()
    answers = [sources.fetch("s3", f"s3://photos/many/{number % 20}", "acme") for number in range(400)]
    assert not wait(answers, LIMIT_S).not_done
    assert [answer.result() for answer in answers] == [str(number % 20).encode() for number in range(400)]


@pytest.mark.parametrize(
    "uri",
    [
        *("", "s3:", "s3://", "s3:///key", "s3://b/key", "s3://Photos/key", "s3://photos", "s3://photos/"),
        *("http://photos/key", "s3://a..b/key", "s3://photos@evil.example/key", "s3://-photos/key"),
        *("s3://photos/" + "ä" * 600, "s3://photos/\n", "s3://photos/\ud800"),
    ],
)
def test_s3_nonsense(uri: str) -> None:
    with pytest.raises(ItemError) as caught:
        parse_s3_uri(uri)
    assert caught.value.code == "s3_uri_invalid"


def test_s3_uris() -> None:
    assert parse_s3_uri("s3://photos/a/b%20c.jpg") == ("photos", "a/b%20c.jpg")
    assert parse_s3_uri("S3://photos//a") == ("photos", "/a")
    assert parse_s3_uri("s3://photos", prefix=True) == ("photos", "")
    assert parse_s3_uri("s3://photos/2024/", prefix=True) == ("photos", "2024/")


# Files


def test_files(open_: Open, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "ä b.jpg").write_bytes(b"photo")
    (photos / "large.jpg").write_bytes(b"x" * (MAX_BYTES + 1))
    (photos / "out.jpg").symlink_to("/etc/passwd")
    sources = open_(folders=(str(photos),))
    assert sources.fetch("file", f"{photos}/ä b.jpg", "acme").result(LIMIT_S) == b"photo"
    assert failure(sources.fetch("file", f"{photos}/large.jpg", "acme")) == ("fetch_too_large", True)
    assert failure(sources.fetch("file", f"{photos}/out.jpg", "acme")) == ("folder_not_allowed", True)
    assert failure(sources.fetch("file", f"{photos}/none.jpg", "acme")) == ("file_not_found", True)
    assert failure(open_().fetch("file", f"{photos}/ä b.jpg", "acme")) == ("folder_not_allowed", True)


# Uploads


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> UploadStore:
    if request.param == "folder":
        return open_upload_store(load_settings(data_dir=tmp_path))
    request.getfixturevalue("s3")
    return open_upload_store(load_settings(uploads_url="s3://uploads/some/prefix/"))


def test_uploads(store: UploadStore) -> None:
    for data in (b"", b"photo", bytes(1_000_000)):
        sha256 = store.put(data)
        assert sha256 == hashlib.sha256(data).hexdigest()
        assert store.put(data) == sha256
        assert store.get(sha256) == data
    for unknown in ("0" * 64, "", "../../../etc/passwd", "A" * 64):
        with pytest.raises(ItemError) as caught:
            store.get(unknown)
        assert caught.value.code == "upload_not_found"


def test_uploads_that_are_removed_are_gone_and_can_come_again(store: UploadStore) -> None:
    kept, gone = store.put(b"kept"), store.put(b"gone")
    assert (store.has(kept), store.has(gone), store.has("0" * 64)) == (True, True, False)
    for _ in range(2):  # what is gone already is removed without a complaint
        store.delete(gone)
        assert not store.has(gone)
    with pytest.raises(ItemError, match="upload_not_found"):
        store.get(gone)
    assert store.get(store.put(b"gone")) == b"gone"
    assert store.get(kept) == b"kept"


@pytest.mark.parametrize("place", ["folder", "s3://uploads/some/prefix/", "s3://uploads"])
def test_thumbnails_lie_beside_uploads_and_are_told_from_them(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if place != "folder":
        request.getfixturevalue("s3")
    settings = load_settings(data_dir=tmp_path, uploads_url="" if place == "folder" else place)
    uploads, thumbnails = open_upload_store(settings), open_thumbnail_store(settings)
    sha256 = uploads.put(b"a photo")
    assert read_thumbnail(thumbnails, sha256) is None
    picture = b"RIFF" + (4).to_bytes(4, "little") + b"WEBP"
    thumbnails.put(sha256, picture)
    thumbnails.put(sha256, picture)
    assert read_thumbnail(thumbnails, sha256) == picture
    assert list(thumbnails.names(sha256[:2])) == [sha256]
    assert list(thumbnails.names("00")) == []
    thumbnails.delete(sha256)
    thumbnails.delete(sha256)
    assert not thumbnails.has(sha256)
    assert read_thumbnail(thumbnails, sha256) is None
    assert uploads.get(sha256) == b"a photo"
    with pytest.raises(BlobMissing):
        thumbnails.put("../../escape", b"")


def test_uploads_at_the_same_time(tmp_path: Path) -> None:
    store = FolderUploads(tmp_path)
    data = [bytes([number]) * 100_000 for number in range(4)]
    threads = [threading.Thread(target=lambda n=n: store.put(data[n % 4])) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == sorted(hashlib.sha256(each).hexdigest() for each in data)
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)


def test_uploads_belong_to_their_tenant(open_: Open, tmp_path: Path) -> None:
    sha256 = open_upload_store(load_settings(data_dir=tmp_path)).put(b"mine")
    sources = open_({("acme", "upload-1"): sha256, ("acme", "upload-2"): "0" * 64})
    assert sources.fetch("upload", "upload-1", "acme").result(LIMIT_S) == b"mine"
    for ref, tenant in (("upload-1", "other"), ("upload-9", "acme"), (sha256, "acme"), ("upload-2", "acme")):
        assert failure(sources.fetch("upload", ref, tenant)) == ("upload_not_found", True)


def test_a_lookup_that_breaks_is_the_items_failure(tmp_path: Path) -> None:
    def broken(tenant: str, ref: str) -> str | None:
        raise ConnectionError("the database is away")

    settings = load_settings(data_dir=tmp_path)
    client = HttpClient(settings)
    sources = open_sources(settings, client, broken)
    assert failure(sources.fetch("upload", "upload-1", "acme")) == ("fetch_failed", False)
    sources.close()
    client.close()
