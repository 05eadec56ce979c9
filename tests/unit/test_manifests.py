"""Manifests: what a line may be, and that a broken one is named and nothing is kept."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from core.errors import RequestError
from libraries.listing.entry import Entry
from libraries.listing.manifest import MEDIA_TYPES, media_type_of, read_manifest
from libraries.listing.manifest_url import SortedManifest

A, B = "https://photos.example/a.jpg", "https://photos.example/b.jpg?size=1,2"
PLAIN, CSV, NDJSON = "text/plain", "text/csv", "application/x-ndjson"


def read(body: str | bytes, media_type: str = PLAIN) -> list[Entry]:
    data = body.encode() if isinstance(body, str) else body
    return list(read_manifest([data[at : at + 7] for at in range(0, len(data), 7)], media_type))


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_the_forms_say_the_same(media_type: str) -> None:
    bodies = {
        PLAIN: f"\ufeff{A}\r\n\r\n  {B}  \r\ns3://album/1.jpg",
        CSV: f'url;s3\n{A};\n"{B}";\n;s3://album/1.jpg\n',
        NDJSON: f'"{A}"\n{{"url": "{B}", "id": null}}\n{{"s3": "s3://album/1.jpg"}}\n',
    }
    assert read(bodies.get(media_type, bodies[NDJSON]), media_type) == [
        Entry(A, locator={"url": A}),
        Entry(B, locator={"url": B}),
        Entry("s3://album/1.jpg", locator={"s3": "s3://album/1.jpg"}),
    ]


def test_an_id_is_the_key_of_a_photo_whose_url_changes() -> None:
    signed = A + "?signature=" + "x" * 4000
    lines = [{"id": "holiday/1.jpg", "url": signed}, {"url": A, "id": "ä"}]
    entries = read("\n".join(map(json.dumps, lines)), NDJSON)
    assert [(one.key, one.locator) for one in entries] == [("holiday/1.jpg", {"url": signed}), ("ä", {"url": A})]
    assert read(f"id,url\nholiday/1.jpg,{A}", CSV)[0].key == "holiday/1.jpg"


BROKEN: list[tuple[str | bytes, str]] = [
    *((line, PLAIN) for line in ("photo.jpg", "/srv/photos/a.jpg", "ftp://a/b.jpg", "file:///etc/passwd", "http://")),
    *((line, PLAIN) for line in ("http://user:pw@a/b", "s3://", "s3://bucket", "s3://B/k", b"https://a/\xe9.jpg")),
    *((line, PLAIN) for line in ("https://a/" + "x" * 2100, "https://a/" + "x" * 9000, "https://a/\0b")),
    *((line, NDJSON) for line in ("{", "7", "[]", "null", "{}", '{"id": "x"}', '{"url": 7}', '{"path": "/a"}')),
    *((line, NDJSON) for line in ('{"url": "https://a/1", "s3": "s3://bucket/k"}', '{"url": "https://a/1", "id": ""}')),
    *(
        (line, NDJSON)
        for line in ('{"url": "https://a/1", "id": "a\\u0000"}', '{"url": "https://a/1", "id": "\\ud800"}')
    ),
    *((line, NDJSON) for line in ('{"url": "https://a/1", "id": 7}', '{"url": "https://a/1", "url": "https://a/2"}')),
    *((line, NDJSON) for line in ('"https://a/1" "https://a/2"', '{"url": "https://a/1", "id": "' + "x" * 2001 + '"}')),
    *((line, CSV) for line in ('"unclosed', "a,b,c", ",", ",x")),
]


@pytest.mark.parametrize(("line", "media_type"), BROKEN)
def test_a_broken_line_is_named(line: str | bytes, media_type: str) -> None:
    """Fails if a line is left out in silence, or the number is another line's."""
    good = {CSV: f"url,id\n{A},1\n", NDJSON: f'\n"{A}"\n', PLAIN: f"\n{A}\n"}[media_type]
    body = good.encode() + (line.encode() if isinstance(line, str) else line) + b"\n"
    with pytest.raises(RequestError) as caught:
        read(body, media_type)
    assert (caught.value.code, caught.value.where) == ("line_invalid", "line 3")
    assert caught.value.message.startswith("Line 3: ")


@pytest.mark.parametrize("header", ["photo", "id", "url,url", "url,size", "file"])
def test_a_header_names_what_there_is(header: str) -> None:
    with pytest.raises(RequestError, match="header names id and one or more of url, s3"):
        read(f"{header}\n{A}\n", CSV)


@pytest.mark.parametrize(
    ("declared", "path", "beginning", "found"),
    [
        ("text/csv; charset=utf-8", "/list", b"", CSV),
        ("application/x-ndjson", "/list.txt", b"", NDJSON),
        ("text/plain", "/list.csv", b"", CSV),
        ("application/octet-stream", "/a/list.JSONL", b"", NDJSON),
        ("text/plain", "/list", b'\xef\xbb\xbf{"url": "https://a"}', NDJSON),
        ("text/html", "/list", b"id;url\r\n1;https://a\r\n", CSV),
        ("", "/list.php", b"https://a/id,url\n", PLAIN),
        ("", "/", b"", PLAIN),
    ],
)
def test_what_a_manifest_is(declared: str, path: str, beginning: bytes, found: str) -> None:
    assert media_type_of(declared, path, beginning) == found


def test_a_sorted_manifest_has_each_photo_once_and_goes_on_anywhere() -> None:
    lines = [B, A, "https://ä.example/", A, B, A]
    with SortedManifest(read("\n".join(lines))) as manifest:
        pages = list(manifest.pages("", 2))
        assert [[one.key for one in page.entries] for page in pages] == [[A, B], ["https://ä.example/"]]
        assert [page.skipped for page in pages] == [3, 0]
        for number, page in enumerate(pages):
            rest = [one.key for later in manifest.pages(page.position, 1) for one in later.entries]
            assert rest == [one.key for later in pages[number + 1 :] for one in later.entries]
    first = '{"id": "x", "url": "https://a/1"}\n{"id": "x", "url": "https://a/2"}'
    with SortedManifest(read(first, NDJSON)) as manifest:
        assert [one.locator for page in manifest.pages("", 9) for one in page.entries] == [{"url": "https://a/1"}]


def test_a_long_manifest_takes_no_memory() -> None:
    """8,000 lines in less than 1 MB; fails if photos, or what was met before, are kept in lists or sets."""
    lines = (f"https://photos.example/{number * 7919 % 8_000:06}.jpg\n".encode() for number in range(8_000))
    tracemalloc.start()
    try:
        with SortedManifest(read_manifest(lines, PLAIN)) as manifest:
            count = sum(len(page.entries) for page in manifest.pages("", 500))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 8_000
    assert peak < 1_000_000
