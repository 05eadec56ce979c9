"""Plain lines of NDJSON are copied, all others are read with care; nobody can tell which way a line went."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.submission.lines import parse_ndjson, read_inputs
from api.submission.plain_lines import row_maker
from core.errors import RequestError
from core.inputs import InputItem, InputRows, PackedChunk, cut_chunks, unpack_items
from core.tasks import Medium

SIZE = 3  # of a chunk
NDJSON = "application/x-ndjson"
STRINGS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["http://a/1", "https://ü/😀", " https://a", "s3://b/k", "http:", "", "\x00", "a\x7f", "x" * 201, "é" * 201]
        + ["http:" + "x" * count for count in (8_187, 8_188)]
        + ["\ud83d", "\udc00x", '"\\/\b\f\n\r\t', "\ufeff", "\u2028"]
    ),
)
TOKENS = st.one_of(
    st.builds(json.dumps, STRINGS, ensure_ascii=st.booleans()),
    st.sampled_from(
        [
            r'"http:\u0000"', r'"http:\ud83d\ude00"', r'"http:\ud83d"', r'"http:\ude00\ud83d"', r'"http:\uD83D\uDE00"',
            r'"http:\x"', r'"http:\u12"', r'"http:\/\/a"', r'"\u0068ttp:"', r'"\u00733://b/k"', '"http:\t"', '"http:',
            "null", "1", "1e999", "NaN", "[]", "{}", '"a" "b"', "\x00",
        ]
    ),
)  # fmt: skip
NAMES = st.sampled_from(["id", "url", "text", "s3", "upload", "extra", r"u\u0072l", "url "])
SPACES = st.sampled_from(["", "", "", " ", "\t", "\u00a0", "\x0b"])
FIELDS = st.builds('{}"{}"{}:{}{}'.format, SPACES, NAMES, SPACES, SPACES, TOKENS)
OBJECTS = st.builds("{{{}{}}}".format, st.lists(FIELDS, max_size=3).map(",".join), SPACES)
LINES = st.one_of(
    st.builds("{}{}{}".format, SPACES, st.one_of(TOKENS, OBJECTS), SPACES).map(
        lambda line: line.replace("\n", "").replace("\r", "").encode("utf-8", "surrogatepass")
    ),
    st.sampled_from([b"", b" ", b'"http:\xff"', b'"http:\xed\xa0\x80"', b'\xef\xbb\xbf"http:"']),
)
PLAIN = st.integers(0, 99).map(lambda number: b'{"id": "p%d", "url": "http://a/%d"}' % (number, number))


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in blocks that end at these places."""
    ends = sorted({place % (len(body) + 1) for place in places} | {0, len(body)})
    return [body[a:b] for a, b in pairwise(ends)]


def outcome(chunks: Iterator[PackedChunk]) -> list[object]:
    """The chunks with their inputs unpacked, and the refusal that ended them, word for word."""
    found: list[object] = []
    try:
        found.extend((c.first_seq, c.last_seq, c.size, unpack_items(c.blob), c.uploads) for c in chunks)
    except RequestError as error:
        return [error.code, error.message, error.where]
    return found


def both_ways(blocks: list[bytes], medium: Medium) -> tuple[list[object], list[object]]:
    careful: Iterable[InputItem | InputRows] = parse_ndjson(blocks, medium)
    return outcome(cut_chunks(read_inputs(NDJSON, blocks, medium), SIZE)), outcome(cut_chunks(careful, SIZE))


@given(st.lists(st.one_of(LINES, PLAIN), max_size=8), st.lists(st.integers(0, 1000), max_size=4), st.booleans())
def test_a_list_is_read_as_its_lines_are_one_by_one(lines: list[bytes], places: list[int], photos: bool) -> None:
    blocks = cut(b"\n".join(lines), places)
    quick, careful = both_ways(blocks, "image" if photos else "text")
    assert quick == careful


@given(LINES, st.booleans())
def test_a_line_is_read_as_with_care(line: bytes, photo: bool) -> None:
    quick, careful = both_ways([line], "image" if photo else "text")
    assert quick == careful


@pytest.mark.parametrize(
    "line",
    [
        b'"https://a/1.jpg"', b'{"url":"http://a"}', b'{"id": "1", "url": "http://a"}', b'{"url": "http:", "id": "1"}',
        rb'{"id": "\u00e4\"", "url": "http:\/\/a\ud83d\ude00"}', '{"id": "ä", "url": "https://ü"} '.encode(),
    ],
)  # fmt: skip
def test_what_most_lists_hold_is_plain(line: bytes) -> None:
    """Or submitting a million lines takes several times as long."""
    assert row_maker("image")(line, 0) is not None
    assert row_maker("text")(line.replace(b"url", b"text"), 0) is not None


def test_inputs_in_rows_and_one_by_one_share_chunks() -> None:
    lines = [
        b'"http://a/0"',
        b'{"upload": "u1"}',
        b"",
        b'{"s3_prefix": "s3://bucket/p/"}',
        b'"http://a/3"',
        b'"ftp://a"',
        b'"http:"',
    ]
    found = outcome(cut_chunks(read_inputs(NDJSON, [b"\n".join(lines)], "image"), SIZE))
    items = [(size, uploads, [(i.seq, i.kind) for i in inputs]) for _, _, size, inputs, uploads in found]  # type: ignore[misc]
    assert items == [
        (0, (), [(2, "s3_prefix")]),
        (3, ("u1",), [(0, "url"), (1, "upload"), (3, "url")]),
        (2, (), [(4, "url"), (5, "url")]),
    ]
