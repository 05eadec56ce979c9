"""Libraries of manifests and buckets, on a real web server and a real S3 server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")

from cli.demo.local_s3 import local_s3
from core.errors import Conflict, RequestError
from core.settings import load_settings
from db.engine import Database
from db.libraries import change_library, find_library
from db.library_manifests import accept_manifest, new_edition, write_manifest
from libraries.listing.manifest import read_manifest
from libraries.xmp.sidecar_fields import read_sidecar
from tests.support.http_server import HttpServer, http_server
from tests.support.libraries import Library, library


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def mine(
    database: Database, database_url: str, redis_url: str, models: Path, tenant: str, tmp_path: Path, server: HttpServer
) -> Iterator[Library]:
    settings = load_settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        allow_hosts=(server.place,),
    )  # fmt: skip
    with library(settings, database, tenant) as opened:
        yield opened


def _photo(seed: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _put(server: HttpServer, name: str, seed: int) -> str:
    server.files[name] = (_photo(seed), {"ETag": f'"{seed}"'})
    return server.url(f"/file/{name}")


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _gets(server: HttpServer) -> dict[str, str | None]:
    """The condition that each photo was asked for with since the last time."""
    asked = {one.words[1]: one.headers.get("if-none-match") for one in server.requests if one.words[1] != "list.txt"}
    server.requests.clear()
    return asked


def test_unchanged_photos_of_a_manifest_cost_no_bytes(mine: Library, server: HttpServer) -> None:
    urls = [_put(server, f"{number}.png", number) for number in range(3)]
    server.files["list.txt"] = ("\n".join([*urls, urls[0]]).encode(), {"Content-Type": "text/plain"})
    mine.create(source={"manifest_url": server.url("/file/list.txt")}, tasks=["classify"])
    assert _some(mine.run()["counts"]) == {"listed": 3, "skipped": 1, "new": 3, "ran": 3, "succeeded": 3}
    assert sorted(mine.photos()) == sorted(urls)
    assert set(_gets(server).values()) == {None}
    labels = mine.labels(urls[1])
    assert _some(mine.run()["counts"]) == {"listed": 3, "skipped": 1, "unchanged": 3}
    assert _gets(server) == {f"{number}.png": f'"{number}"' for number in range(3)}
    _put(server, "1.png", 10)
    del server.files["2.png"]
    server.files["2.png"] = (b"no photo", {})
    run = mine.run()
    assert _some(run["counts"]) == {
        "listed": 3, "skipped": 1, "changed": 2, "unchanged": 1, "ran": 1, "succeeded": 1, "failed": 1,
    }  # fmt: skip
    assert mine.labels(urls[1]) != labels or mine.changes(run["id"])[urls[1]]["kind"] == "changed"
    server.files["list.txt"] = (b"\n".join([urls[0].encode(), b"no url"]), {"Content-Type": "text/plain"})
    failed = mine.run()
    assert (failed["state"], failed["error"]["code"]) == ("source_failed", "manifest_invalid")
    assert "2" in failed["error"]["message"]


def test_a_manifest_is_streamed_whole_or_not_at_all(mine: Library, server: HttpServer) -> None:
    mine.create(source=None, tasks=["classify"])
    with pytest.raises(Conflict, match="source_missing"):
        mine.start()
    urls = [_put(server, f"{number}.png", number) for number in range(3)]

    def send(*lines: str) -> None:
        photos = list(read_manifest(["\n".join(lines).encode()], "text/plain"))
        with mine.database.write() as session:
            row = find_library(session, mine.tenant, mine.id)
            edition = new_edition(session)
            write_manifest(session, row.number, edition, photos)
            accept_manifest(session, row, edition)
            change_library(session, row, {"source": {"manifest": {"photos": len(photos)}}})

    with pytest.raises(RequestError, match="line_invalid"):
        send(urls[0], "no url")
    with pytest.raises(Conflict, match="source_missing"):
        mine.start()
    send(*urls)
    assert _some(mine.run()["counts"]) == {"listed": 3, "new": 3, "ran": 3, "succeeded": 3}
    with pytest.raises(RequestError, match="line_invalid"):
        send(urls[0], "no url")
    assert _some(mine.run()["counts"]) == {"listed": 3, "unchanged": 3}
    send(*urls[:2])
    assert _some(mine.run()["counts"]) == {"listed": 2, "unchanged": 2, "gone": 1}


def test_a_bucket_with_sidecars(
    models: Path, tenant: str, database: Database, database_url: str, redis_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with local_s3(buckets=("album",)) as s3:
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)
        settings = load_settings(
            database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data"
        )
        bucket = boto3.Session().resource("s3").Bucket("album")
        for number in range(3):
            bucket.put_object(Key=f"2024/{number}.png", Body=_photo(number))
        bucket.put_object(Key="2024/notes.txt", Body=b"no photo")
        with library(settings, database, tenant) as mine:
            mine.create(
                source={"s3_prefix": "s3://album/2024/"}, tasks=["classify"], write="sidecar", write_threshold=0
            )
            assert _some(mine.run()["counts"]) == {"listed": 3, "skipped": 1, "new": 3, "ran": 3, "succeeded": 3}
            stands = read_sidecar(bucket.Object("2024/0.png.xmp").get()["Body"].read())
            assert list(stands.labels) == mine.labels("0.png")
            second = mine.run()["counts"]
            assert _some(second) == {"listed": 3, "skipped": 4, "unchanged": 3}
            bucket.Object("2024/1.png").copy_from(CopySource="album/2024/0.png")
            bucket.Object("2024/two.png").copy_from(CopySource="album/2024/2.png")
            bucket.Object("2024/2.png").delete()
            third = mine.run()["counts"]
            assert (third["changed"], third["moved"], third["reused"], third["ran"]) == (1, 1, 2, 0)
            assert mine.labels("1.png") == mine.labels("0.png")
