"""Sidecars in a bucket of a real S3 server: never over what another program has written meanwhile."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from cli.demo.local_s3 import LocalS3, local_s3
from core.outbound.s3.store import S3Store
from core.settings import Settings, load_settings
from libraries.listing.s3_prefix import S3PrefixListing
from libraries.sidecars.open_sidecars import open_sidecars
from libraries.sidecars.s3_sidecars import S3Sidecars
from libraries.sidecars.sidecar_place import SidecarPlace, Stood, update_sidecar
from libraries.xmp.packet import SidecarError
from libraries.xmp.sidecar_fields import read_sidecar
from libraries.xmp.sidecar_merge import Wanted

SOURCE = {"s3_prefix": "s3://photos/album/"}
DOG, CAT = Wanted(labels=("dog",), run="1"), Wanted(labels=("cat",), run="2")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[LocalS3]:
    with local_s3(buckets=("photos",)) as running:
        yield running


@pytest.fixture
def settings(s3_server: LocalS3, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return load_settings()


def no_conditions(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
    """The answer of a server that knows no If-Match and If-None-Match, of which there are many."""
    if not {"If-Match", "If-None-Match"} & {str(name) for name in request.headers}:
        return None
    body = b"<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality</Message></Error>"
    raw = io.BytesIO(body)
    raw.stream = lambda **_: [body]  # type: ignore[attr-defined]
    return AWSResponse(request.url, 501, {}, raw)


@pytest.fixture(params=["conditions", "comparing"])
def place(request: pytest.FixtureRequest, settings: Settings) -> SidecarPlace:
    """On a server that knows conditions, and on one that says it does not."""
    store = S3Store(settings)
    if request.param == "comparing":
        store._access.client("photos").meta.events.register("before-send.s3.PutObject", no_conditions)
    return S3Sidecars(store, settings, SOURCE["s3_prefix"])


def code_of(act: Callable[[], object]) -> tuple[str, bool]:
    with pytest.raises(SidecarError) as caught:
        act()
    return caught.value.code, caught.value.permanent


def test_a_sidecar_is_written_read_compared_and_removed(place: SidecarPlace, settings: Settings) -> None:
    store = S3Store(settings)
    photo = "ü/IMG 1.jpg"
    assert place.read(photo) == Stood("ü/IMG 1.jpg.xmp", None, None)
    made = update_sidecar(place, photo, None, DOG)
    data, etag = store.get_small("photos", "album/ü/IMG 1.jpg.xmp", 100_000)
    assert (read_sidecar(data).labels, etag) == (("dog",), made.stamp)
    listed = S3PrefixListing(store, settings, SOURCE["s3_prefix"]).pages()
    assert [one.etag for page in listed for one in page.sidecars] == [made.stamp]
    changed = update_sidecar(place, photo, made.merged.written, CAT)
    stood = place.read(photo)
    assert (stood.stamp, read_sidecar(stood.data or b"").labels) == (changed.stamp, ("cat",))
    # Another program writes, removes, or makes one.
    store.put("photos", "album/ü/IMG 1.jpg.xmp", b"theirs")
    assert code_of(lambda: place.write(photo, b"ours", stood)) == ("sidecar_changed", False)
    assert code_of(lambda: place.remove(photo, stood)) == ("sidecar_changed", False)
    assert code_of(lambda: place.write(photo, b"ours", Stood(stood.name, None, None))) == ("sidecar_changed", False)
    assert place.read(photo).data == b"theirs"
    store.delete("photos", "album/ü/IMG 1.jpg.xmp")
    assert code_of(lambda: place.write(photo, b"ours", stood)) == ("sidecar_changed", False)
    made = update_sidecar(place, photo, None, DOG)
    place.remove(photo, Stood(made.name, None, made.stamp))
    assert place.read(photo).data is None


def test_refusals(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Stood("a.jpg.xmp", None, None)
    absent = open_sidecars({"s3_prefix": "s3://no-such-bucket/"}, settings)
    assert code_of(lambda: absent.read("a.jpg")) == ("s3_not_found", True)
    barred = open_sidecars(SOURCE, settings.model_copy(update={"s3_buckets": ("other",)}))
    assert code_of(lambda: barred.write("a.jpg", b"x", nothing)) == ("sidecar_forbidden", True)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    strange = open_sidecars(SOURCE, settings)
    assert code_of(lambda: strange.write("a.jpg", b"x", nothing)) == ("sidecar_forbidden", True)
