"""Listing a bucket on a real S3 server, and a manifest at a URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.demo.local_s3 import LocalS3, local_s3
from core.outbound.http.client import HttpClient
from core.outbound.s3.store import S3Store
from core.settings import Settings, load_settings
from libraries.listing.entry import Entry, Page, SourceFailed
from libraries.listing.open_listing import input_of, open_listing
from libraries.listing.s3_prefix import S3PrefixListing
from tests.support.http_server import HttpServer, http_server

PHOTOS = ("a.jpg", "a/1.JPG", "a/2 b.png", "ü/日本.webp", "a-b.jpg", "p%2Fq.jpg", "b?c=d#e.jpg")
OTHERS = (
    "a/",
    "empty/",
    "a/notes.txt",
    "a/film.mp4",
    "README",
    "a.jpg.xmp",
    "@eaDir/a.jpg/T.jpg",
    ".hid/a.jpg",
    "._a.jpg",
)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[LocalS3]:
    with local_s3(buckets=("photos", "more")) as running:
        yield running


@pytest.fixture
def s3(s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.fixture(scope="module")
def filled(s3_server: LocalS3) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment().items():
            patch.setenv(name, value)
        store = S3Store(load_settings())
        for key in (*PHOTOS, *OTHERS):
            store.put("photos", f"album/{key}", key.encode())
        store.put("photos", "album2/z.jpg", b"z")


def pages_of(settings: Settings, prefix: str, after: str = "", store: S3Store | None = None) -> list[Page]:
    return list(S3PrefixListing(store or S3Store(settings), settings, prefix).pages(after))


def failure(settings: Settings, prefix: str) -> tuple[str, bool]:
    with pytest.raises(SourceFailed) as caught:
        pages_of(settings, prefix)
    return caught.value.code, caught.value.permanent


@pytest.mark.usefixtures("filled")
def test_a_prefix_lists_its_photos_and_counts_the_rest(s3: Settings) -> None:
    """Fails if a key is tidied up, a folder's marker is a photo, or a neighbour with the same beginning is listed."""
    [page] = pages_of(s3, "s3://photos/album/")
    assert sorted(one.key for one in page.entries) == sorted(PHOTOS)
    assert page.skipped == len(OTHERS)
    store = S3Store(s3)
    for one in page.entries:
        assert (one.size, one.locator) == (len(one.key.encode()), None)
        assert one.etag
        assert one.mtime is not None
        assert one.mtime > 1_700_000_000_000_000
        kind, ref = input_of({"s3_prefix": "s3://photos/album/"}, one.key, None)
        assert (kind, ref) == ("s3", f"s3://photos/album/{one.key}")
        assert store.get("photos", ref.removeprefix("s3://photos/"), 100) == one.key.encode()
    [whole] = pages_of(s3, "s3://photos")
    assert {one.key for one in whole.entries} == {f"album/{key}" for key in PHOTOS} | {"album2/z.jpg"}
    assert input_of({"s3_prefix": "s3://photos"}, "album/a.jpg", None) == ("s3", "s3://photos/album/a.jpg")
    assert [one.entries for one in pages_of(s3, "s3://photos/nothing/")] == [[]]


@pytest.mark.usefixtures("filled")
def test_a_listing_of_a_bucket_goes_on_behind_any_key(s3: Settings) -> None:
    """Also in the order of this server, which is not that of the bytes: a/1.JPG comes before a-b.jpg."""
    store = S3Store(s3)
    [page] = pages_of(s3, "s3://photos/album/", "", store)
    keys = [one.key.removeprefix("album/") for found in store.pages("photos", "album/") for one in found]
    assert sorted(keys) == sorted((*PHOTOS, *OTHERS))
    assert page.position == keys[-1]
    for number, key in enumerate(keys, 1):
        later = pages_of(s3, "s3://photos/album/", key, store)
        assert sum(len(one.entries) + one.skipped for one in later) == len(keys) - number
        rest = [one.key for found in later for one in found.entries]
        assert rest == [one for one in keys[number:] if one in PHOTOS]


def test_an_etag_says_that_the_bytes_changed(s3: Settings) -> None:
    store = S3Store(s3)
    etags = []
    for data in (b"one", b"two", b"one"):
        store.put("more", "etags/a.jpg", data)
        [page] = pages_of(s3, "s3://more/etags/")
        etags.append(page.entries[0].etag)
    assert etags[0] == etags[2] != etags[1]


def test_more_than_one_page_of_a_bucket(s3: Settings) -> None:
    """1,050 objects; fails if a page is left out, repeated, or its neighbour's place is lost."""
    store = S3Store(s3)
    for number in range(1050):
        store.put("more", f"many/{number:05}.jpg", b"")
    pages = pages_of(s3, "s3://more/many/")
    assert [one.key for page in pages for one in page.entries] == [f"{number:05}.jpg" for number in range(1050)]
    assert max(len(page.entries) for page in pages) <= 1000
    [rest] = pages_of(s3, "s3://more/many/", pages[0].position)
    assert rest.entries == pages[1].entries


@pytest.mark.usefixtures("filled")
def test_a_bucket_that_cannot_be_listed_fails_with_its_code(s3: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure(s3, "s3://no-such-bucket/") == ("s3_not_found", True)
    assert failure(s3, "s3://No Bucket/") == ("s3_uri_invalid", True)
    assert failure(s3.model_copy(update={"s3_buckets": ("more",)}), "s3://photos/") == ("s3_access_denied", True)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert failure(s3, "s3://photos/") == ("s3_access_denied", True)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert failure(load_settings(fetch_connect_timeout_s=0.5), "s3://photos/") == ("s3_unavailable", False)


# A manifest at a URL


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def client(server: HttpServer) -> Iterator[HttpClient]:
    client = HttpClient(Settings(allow_hosts=(server.place,)))
    yield client
    client.close()


def manifest(client: HttpClient, url: str, after: str = "") -> list[Entry]:
    listing = open_listing({"manifest_url": url}, Settings(), client)
    return [one for page in listing.pages(after) for one in page.entries]


def test_a_manifest_is_fetched_through_the_guard(server: HttpServer, client: HttpClient) -> None:
    server.files["list.csv"] = (b"url\nhttps://b/1\nhttps://a/1\n", {})
    server.files["list"] = (b'"https://a/1"\n"https://b/1"\n"https://a/1"', {"Content-Type": "application/x-ndjson"})
    for name in ("list.csv", "list"):
        assert manifest(client, server.url(f"/file/{name}")) == [
            Entry("https://a/1", locator={"url": "https://a/1"}),
            Entry("https://b/1", locator={"url": "https://b/1"}),
        ]
        assert [one.key for one in manifest(client, server.url(f"/file/{name}"), "https://a/1")] == ["https://b/1"]


def test_a_manifest_that_cannot_be_used_gives_nothing(server: HttpServer, client: HttpClient) -> None:
    """Fails if the photos before a broken line are given: they would be all there is."""
    server.files["broken"] = ("\n".join([*(f"https://a/{n}" for n in range(5000)), "nonsense"]).encode(), {})
    for path, code, permanent in (
        ("/file/broken", "manifest_invalid", True),
        ("/status/404", "fetch_http_404", True),
        ("/status/503", "fetch_http_503", False),
        ("/short", "fetch_truncated", False),
        ("/redirect?to=http://10.0.0.1/", "address_not_allowed", True),
        ("/redirect?to=file:///etc/passwd", "url_scheme_not_allowed", True),
    ):
        given: list[Entry] = []
        with pytest.raises(SourceFailed) as caught:
            for page in open_listing({"manifest_url": server.url(path)}, Settings(), client).pages():
                given += page.entries
        assert (given, caught.value.code, caught.value.permanent) == ([], code, permanent)
        if code == "manifest_invalid":
            assert "Line 5001: " in caught.value.message


def test_what_an_input_of_a_photo_is() -> None:
    assert input_of({"folder": "/srv/photos/"}, "2024/a.jpg", None) == ("file", "/srv/photos/2024/a.jpg")
    assert input_of({"manifest_url": "https://m"}, "x", {"url": "https://a/1"}) == ("url", "https://a/1")
    with pytest.raises(ValueError, match="no locator"):
        input_of({"manifest_url": "https://m"}, "x", None)
