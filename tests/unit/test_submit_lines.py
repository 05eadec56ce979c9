"""Lines to inputs, wherever the network cuts the body into blocks."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.http.cursors import after_seq, before_job, read_job_id, read_seq
from api.submission.lines import PARSERS
from core.errors import RequestError
from core.ids import new_id
from core.lists import UTF_16, split_lines
from core.outbound.s3.uri import parse_s3_uri
from core.strict_json import loads

LINES = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")), max_size=8)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in blocks that end at these places."""
    ends = sorted({place % (len(body) + 1) for place in places} | {0, len(body)})
    return [body[a:b] for a, b in pairwise(ends)]


@given(LINES, st.lists(st.integers(0, 1000), max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_lines_do_not_depend_on_blocks(lines: list[bytes], places: list[int], end: bytes) -> None:
    body = b"".join(line + end for line in lines)
    assume(not body.startswith(UTF_16))
    expected = [line if n else line.removeprefix(b"\xef\xbb\xbf") for n, line in enumerate(lines)]
    assert list(split_lines(cut(body, places))) == expected


@pytest.mark.parametrize("content_type", list(PARSERS))
@given(places=st.lists(st.integers(0, 1000), max_size=6))
def test_the_formats_agree(content_type: str, places: list[int]) -> None:
    urls = ["https://a/ü?x=1,2", 'https://b/"q"', "s3://bucket/key"]
    bodies = {
        "application/x-ndjson": "\n".join(json.dumps(url) for url in urls),
        "application/jsonl": "\r\n".join(json.dumps(url) for url in urls),
        "text/plain": "\ufeff" + "\r\n".join(urls),
        "text/csv": 'url,s3\n"https://a/ü?x=1,2",\n"https://b/""q""",\n,s3://bucket/key\n',
    }
    items = list(PARSERS[content_type](cut(bodies[content_type].encode(), places), "image"))
    assert [item.ref for item in items] == urls
    assert [item.kind for item in items] == ["url", "url", "s3"]
    assert [item.seq for item in items] == [0, 1, 2]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-ndjson", r'{"url": " S3://bucket/a b "}' + "\n" + r'"\ts3://bucket/a b\n"'),
        ("text/plain", " S3://bucket/a b \r\n\ts3://bucket/a b"),
        ("text/csv", 'url\n S3://bucket/a b \n"\ts3://bucket/a b\n"\n'),
    ],
)
def test_an_s3_uri_may_stand_where_a_url_may(content_type: str, body: str) -> None:
    items = list(PARSERS[content_type]([body.encode()], "image"))
    assert [item.kind for item in items] == ["s3", "s3"]
    assert [parse_s3_uri(item.ref) for item in items] == [("bucket", "a b")] * 2


def test_a_key_in_an_s3_field_may_end_in_a_space() -> None:
    [item] = PARSERS["application/x-ndjson"]([b'{"s3": " s3://bucket/a "}'], "image")
    assert (item.kind, parse_s3_uri(item.ref)) == ("s3", ("bucket", "a "))


def test_an_s3_uri_among_texts_is_a_text() -> None:
    [item] = PARSERS["text/plain"]([b"s3://bucket/a"], "text")
    assert item.kind == "text"


def test_a_text_in_csv_may_have_line_breaks() -> None:
    items = list(PARSERS["text/csv"]([b'id,text\n1,"one\ntwo"\n2,three\n'], "text"))
    assert [(item.id, item.ref) for item in items] == [("1", "one\ntwo"), ("2", "three")]


def test_memory_stays_flat_on_an_endless_line() -> None:
    def endless() -> object:
        while True:
            yield b"x" * 65536

    with pytest.raises(RequestError, match="line_invalid"):
        list(split_lines(endless()))  # type: ignore[arg-type]


@given(st.text(max_size=200))
def test_whatever_is_read_as_json_is_a_value_or_a_clear_refusal(text: str) -> None:
    with suppress(ValueError):
        loads(text)


def test_cursors_come_back_as_they_went() -> None:
    job_id = new_id()
    assert read_seq(after_seq(17)) == 17
    assert read_job_id(before_job(job_id)) == job_id
    for odd in ("", "after-", "after--1", "from-1\n", "before-x", "after-" + "9" * 50):
        with pytest.raises(RequestError, match="cursor_invalid"):
            read_seq(odd)
