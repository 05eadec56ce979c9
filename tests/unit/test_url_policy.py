"""URLs are read strictly, and only plain public unicast addresses are dialled."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ItemError
from core.outbound.url_policy import address_allowed, check_url


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http://Example.COM", "http://example.com/"),
        ("HTTPS://example.com:443/a?b#c", "https://example.com/a?b"),
        ("https://example.com:8443?q", "https://example.com:8443/?q"),
        ("http://example.com.:/", "http://example.com/"),
        ("http://bücher.example/ä?ö", "http://xn--bcher-kva.example/%C3%A4?%C3%B6"),
        ("http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://my_bucket.example/%7Ea%20b", "http://my_bucket.example/%7Ea%20b"),
        # The spellings of 127.0.0.1 all end up as what they are, for the check at dial time.
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://0177.0.0.1/", "http://127.0.0.1/"),
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://127.0.0.1./", "http://127.0.0.1/"),
        ("http://１２７。0.0.1/", "http://127.0.0.1/"),
        ("http://ⓛocalhost/", "http://localhost/"),
        # Spaces and line breaks, as people paste them and files have them (WHATWG URL).
        (" \t\nhttp://example.com/a.jpg \r\n\x00", "http://example.com/a.jpg"),
        ("http://example.com/my photo.jpg", "http://example.com/my%20photo.jpg"),
        ("http://example.com/a?b c#d e", "http://example.com/a?b%20c"),
        ("http://exam\nple.com/a\tb\r\n.jpg", "http://example.com/ab.jpg"),
        ("http://example.com/\r\nHost: other", "http://example.com/Host:%20other"),
        ("http://example.com/a\x00b\x7f\u00a0", "http://example.com/a%00b%7F%C2%A0"),
        ("http://example.com/photos\\2024\\a.jpg?b\\c", "http://example.com/photos/2024/a.jpg?b\\c"),
        ("http://example.com/\"<>^`{}|'[]", "http://example.com/%22%3C%3E%5E%60%7B%7D|'[]"),
        ("http://example.com/?\"<>^`{}|'[]", "http://example.com/?%22%3C%3E^`{}|%27[]"),
        ("http://example.com/100%.jpg?50%&%7e", "http://example.com/100%.jpg?50%&%7e"),
        ("http://example.com/a??b?c#d?e", "http://example.com/a??b?c"),
        # International names as browsers read them (UTS 46): ß is kept, emoji are names, what is invisible goes.
        ("http://faß.example/", "http://xn--fa-hia.example/"),
        ("http://i❤.example/", "http://xn--i-7iq.example/"),
        ("http://ex\u00adample.com/", "http://example.com/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://XN--BCHER-KVA.example/", "http://xn--bcher-kva.example/"),
        ("http://日本語。ＪＰ/", "http://xn--wgv71a119e.jp/"),
        ("http://my_bücher.example/", "http://xn--my_bcher-95a.example/"),
        ("http://①②⑦.①/", "http://127.0.0.1/"),
    ],
)
def test_one_spelling(url: str, read: str) -> None:
    assert check_url(url).url == read
    assert check_url(read).url == read


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/a.jpg",
        "//example.com/",
        "http:/example.com/",
        "http:///path",
        "http://",
        "http://:80/",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com\\.evil.example/",
        "http://example.com@127.0.0.1#@other/",
        "http://a b/",
        "http ://example.com/",
        "http://exa\u00a0mple.com/",
        "http://exa\x7fmple.com/",
        "\u00a0http://example.com/",
        "http://xn--zz--.example/",
        "http://xn--bcher-kva\u0308.example/",
        "http://\u0308a.example/",
        "http://1\u05d0.example/",
        "http://a\u200db.example/",
        "http://example.com/a?\ud800",
        "http://example.com/\ud800",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:８０/",
        "http://example.com:80:80/",
        "http://ex%61mple.com/",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://0x/",
        "http://a..b/",
        "http://.a/",
        "http://-a/",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 130}example/",
        f"http://{'ü' * 64}.example/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[v1.x]/",
        "http://example.com/" + "a" * 8192,
    ],
)
def test_nonsense_is_invalid(url: str) -> None:
    with pytest.raises(ItemError) as caught:
        check_url(url)
    assert caught.value.code == "url_invalid"
    assert caught.value.permanent


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/", "gopher://a/", "javascript:x", "data:,x", "s3://b/k"]
)
def test_other_schemes(url: str) -> None:
    with pytest.raises(ItemError) as caught:
        check_url(url)
    assert caught.value.code == "url_scheme_not_allowed"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, "http://" + text, "https://example.com/" + text):
        try:
            parsed = check_url(url)
        except ItemError:  # anything else fails the test
            continue
        assert check_url(parsed.url) == parsed
        assert parsed.url.isascii()


def test_allow_list_is_of_host_and_port() -> None:
    allow = ("LocalHost:9000", "[::1]:80", "127.0.0.1:443", "minio.internal:80")
    allowed = ["http://localhost:9000/", "http://[0:0::1]/", "https://127.1/", "http://MINIO.internal./x"]
    refused = ["http://localhost:9001/", "https://[::1]/", "http://127.0.0.1/", "https://minio.internal/"]
    assert [check_url(url, allow).allowed_private for url in allowed + refused] == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    "entry", ["localhost", "localhost:", ":80", "localhost:0", "http://localhost:80", "a b:80", ""]
)
def test_malformed_allow_list(entry: str) -> None:
    with pytest.raises(ValueError, match="allow_hosts"):
        check_url("http://example.com/", (entry,))


@pytest.mark.parametrize(
    "ip",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254"),
        *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.192", "192.0.2.1"),
        *("198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "192.88.99.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::", "2001::1", "2001:db8::1"),
        *("2001:2::1", "2001:10::1", "3fff::1", "5f00::1", "4000::1"),
        *("", "localhost", "127.1", "2130706433", "1.2.3.4 ", "8.8.8.8:80", "2606:4700::1111%eth0"),
    ],
)
def test_refused_addresses(ip: str) -> None:
    assert not address_allowed(ip)


@pytest.mark.parametrize(
    "ip",
    [
        *("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.167.0.1"),
        *("168.63.129.15", "198.17.0.1", "198.20.0.1", "223.255.255.255", "9.255.255.255", "11.0.0.0"),
        *("2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "2001:200::1"),
    ],
)
def test_public_addresses(ip: str) -> None:
    assert address_allowed(ip)


@given(st.ip_addresses())
def test_never_more_than_the_standard_library_allows(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if address_allowed(str(ip)):
        assert ip.is_global
        assert not ip.is_multicast
