"""Sidecars of a library: written by its runs, read for what other programs said there, and undone with a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from core.errors import Conflict
from core.settings import Settings
from db.engine import Database
from libraries.xmp.sidecar_fields import SidecarFields, read_sidecar
from tests.support.libraries import Library, library, write_models, write_photo
from worker.libraries.save_sidecars import save_unsaved

OTHER = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmp:Rating="5"><dc:subject><rdf:Bag><rdf:li>Aunt Mary</rdf:li></rdf:Bag></dc:subject></rdf:Description>
</rdf:RDF></x:xmpmeta>"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"), captions=True)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        write_photo(tmp_path / "photos" / f"{number}.png", number)
    return tmp_path / "photos"


@pytest.fixture
def mine(
    database: Database, database_url: str, redis_url: str, models: Path, tenant: str, photos: Path, tmp_path: Path
) -> Iterator[Library]:
    settings = Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(tmp_path),),
    )  # fmt: skip
    with library(settings, database, tenant) as opened:
        opened.create(
            source={"folder": str(photos)}, tasks=["tag", "caption"], write="sidecar", write_threshold=0,
            options={"tag": {"top_k": 2}},
        )  # fmt: skip
        yield opened


def _sidecar(photos: Path, name: str) -> SidecarFields:
    return read_sidecar((photos / f"{name}.xmp").read_bytes())


def _replace(photos: Path, name: str, old: str, new: str) -> None:
    path = photos / f"{name}.xmp"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_runs_and_other_programs_write_comes_together(mine: Library, photos: Path) -> None:
    (photos / "0.png.xmp").write_text(OTHER)
    bytes_before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.glob("*.png")}
    first = mine.run()
    assert first["counts"]["succeeded"] == 3
    labels = mine.labels("1.png")
    assert list(_sidecar(photos, "1.png").labels) == labels
    assert _sidecar(photos, "1.png").description == mine.photos()["1.png"]["caption"]["text"]
    assert set(_sidecar(photos, "0.png").labels) == {"Aunt Mary", *mine.labels("0.png")}
    assert 'Rating="5"' in (photos / "0.png.xmp").read_text()
    assert mine.labels("0.png")[0] == "Aunt Mary"  # somebody said it, so it stands here, too
    _replace(photos, "1.png", f"<rdf:li>{labels[0]}</rdf:li>", "<rdf:li>Uncle Bob</rdf:li>")
    _replace(photos, "2.png", mine.photos()["2.png"]["caption"]["text"], "my own words")
    stood = (photos / "0.png.xmp").stat().st_mtime_ns
    mine.run()
    assert mine.labels("1.png") == ["Uncle Bob", *labels[1:]]
    assert mine.photos()["2.png"]["caption"] == {"text": "my own words", "score": None, "by": "person"}
    assert (photos / "0.png.xmp").stat().st_mtime_ns == stood  # nothing changed there, so nothing is written
    mine.run(what="all")
    assert mine.labels("1.png") == ["Uncle Bob", *labels[1:]]
    assert labels[0] not in _sidecar(photos, "1.png").labels
    assert _sidecar(photos, "2.png").description == "my own words"
    mine.edit("0.png", remove=("aunt mary",))
    save_unsaved(mine.worker)
    assert "Aunt Mary" not in _sidecar(photos, "0.png").labels
    assert 'Rating="5"' in (photos / "0.png.xmp").read_text()
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.glob("*.png")}
    assert after == bytes_before
    assert {path.suffix for path in photos.iterdir()} == {".png", ".xmp"}


def test_a_run_is_undone_in_sidecars_too(mine: Library, photos: Path) -> None:
    mine.run()
    before = {name: _sidecar(photos, name) for name in ("0.png", "1.png", "2.png")}
    mine.patch(options={"tag": {"vocabulary": "open-images", "top_k": 3}})
    second = mine.run(what="relabel")
    assert _sidecar(photos, "0.png").labels != before["0.png"].labels
    mine.edit("1.png", add=("mine",))
    mine.undo(second["id"])
    save_unsaved(mine.worker)
    assert set(_sidecar(photos, "0.png").labels) == set(before["0.png"].labels)
    assert set(_sidecar(photos, "1.png").labels) == {"mine", *before["1.png"].labels}


def test_a_dry_run_writes_none_and_a_broken_one_is_left_alone(mine: Library, photos: Path) -> None:
    (photos / "1.png.xmp").write_text("<x:xmpmeta")
    mine.run(dry_run=True)
    assert sorted(path.name for path in photos.glob("*.xmp")) == ["1.png.xmp"]
    run = mine.run()
    assert run["counts"]["succeeded"] == 3
    assert (photos / "1.png.xmp").read_text() == "<x:xmpmeta"
    assert _sidecar(photos, "0.png").labels
    errors = {name: photo["sidecar_error"] for name, photo in mine.photos().items()}
    assert errors == {"0.png": None, "1.png": {"code": "sidecar_broken"}, "2.png": None}
    (photos / "1.png.xmp").unlink()
    mine.run()
    assert _sidecar(photos, "1.png").labels
    assert mine.photos()["1.png"]["sidecar_error"] is None


def test_two_libraries_do_not_write_into_one_place(mine: Library, photos: Path) -> None:
    (photos / "sub").mkdir()
    for place in (photos, photos / "sub", photos.parent):
        with pytest.raises(Conflict, match="sidecars_contested"):
            mine.create(source={"folder": str(place)}, write="sidecar")
