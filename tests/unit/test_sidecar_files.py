"""Sidecars in real folders: whole or not at all, whoever is killed or writes at the same time, the photo untouched."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.folders.roots import FolderRoots
from core.settings import load_settings
from libraries.listing.folder import FolderListing
from libraries.sidecars import drafts, folder_sidecars
from libraries.sidecars.folder_sidecars import FolderSidecars
from libraries.sidecars.open_sidecars import open_sidecars
from libraries.sidecars.sidecar_names import draft_name, is_draft, sidecar_names
from libraries.sidecars.sidecar_place import Stood, update_sidecar
from libraries.xmp.packet import MAX_BYTES, SidecarError
from libraries.xmp.sidecar_fields import Written, read_sidecar
from libraries.xmp.sidecar_merge import Wanted

ROOT = Path(__file__).resolve().parents[2]
DOG, CAT = Wanted(labels=("dog",), run="1"), Wanted(labels=("cat",), run="2")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos" / "2024"
    folder.mkdir(parents=True)
    (folder / "IMG_1.jpg").write_bytes(b"photo")
    os.utime(folder / "IMG_1.jpg", ns=(5, 7_000_000_001))
    return folder


@pytest.fixture
def place(photos: Path) -> FolderSidecars:
    return FolderSidecars(FolderRoots((str(photos.parent),)), load_settings(), str(photos.parent))


PHOTO = "2024/IMG_1.jpg"


def code_of(act: Callable[[], object]) -> tuple[str, bool]:
    with pytest.raises(SidecarError) as caught:
        act()
    return caught.value.code, caught.value.permanent


def drafts_in(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


def test_a_sidecar_is_written_read_and_removed_beside_its_photo(place: FolderSidecars, photos: Path) -> None:
    photo = photos / "IMG_1.jpg"
    os.chmod(photo, 0o640)
    before = photo.stat()
    assert place.read(PHOTO) == Stood("2024/IMG_1.jpg.xmp", None, None)
    made = update_sidecar(place, PHOTO, None, DOG)
    sidecar = photos / "IMG_1.jpg.xmp"
    assert read_sidecar(sidecar.read_bytes()).labels == ("dog",)
    assert sidecar.stat().st_mode & 0o777 == 0o640
    assert place.read(PHOTO) == Stood("2024/IMG_1.jpg.xmp", sidecar.read_bytes(), made.stamp)
    os.chmod(sidecar, 0o604)
    second = update_sidecar(place, PHOTO, made.merged.written, CAT)
    assert read_sidecar(sidecar.read_bytes()).labels == ("cat",)
    assert sidecar.stat().st_mode & 0o777 == 0o604
    assert second.stamp != made.stamp
    place.remove(PHOTO, place.read(PHOTO))
    assert os.listdir(photos) == ["IMG_1.jpg"]
    after = photo.stat()
    assert (photo.read_bytes(), after.st_mtime_ns, after.st_ino) == (b"photo", before.st_mtime_ns, before.st_ino)


def test_the_listing_tells_a_sidecars_stamp(place: FolderSidecars, photos: Path) -> None:
    """So that the edits of others are seen without reading a sidecar."""
    made = update_sidecar(place, PHOTO, None, DOG)
    (photos / ".hidden.xmp").write_bytes(b"")
    [page] = FolderListing(FolderRoots((str(photos.parent),)), str(photos.parent)).pages()
    assert [(one.key, one.etag) for one in page.sidecars] == [(made.name, made.stamp)]
    assert ([one.key for one in page.entries], page.skipped) == ([PHOTO], 2)


def test_what_needs_no_change_is_not_written_and_a_dry_run_writes_nothing(place: FolderSidecars, photos: Path) -> None:
    tried = update_sidecar(place, PHOTO, None, DOG, dry_run=True)
    assert (tried.merged.labels.labels, tried.stamp, os.listdir(photos)) == (("dog",), None, ["IMG_1.jpg"])
    made = update_sidecar(place, PHOTO, None, DOG)
    before = (photos / "IMG_1.jpg.xmp").stat()
    again = update_sidecar(place, PHOTO, made.merged.written, Wanted(labels=("dog",), run="2"))
    assert (again.merged.changed, again.stamp) == (False, made.stamp)
    assert (photos / "IMG_1.jpg.xmp").stat() == before
    assert update_sidecar(place, PHOTO, made.merged.written, CAT, dry_run=True).merged.changed
    assert (photos / "IMG_1.jpg.xmp").stat() == before


def test_names_of_sidecars(photos: Path) -> None:
    ours, other = load_settings(), load_settings(sidecar_names="IMG_1.xmp")
    assert sidecar_names("a/IMG_1.jpg", ours) == ("a/IMG_1.jpg.xmp", "a/IMG_1.jpg.XMP")
    assert sidecar_names("a.b/IMG_1.jpg", other) == ("a.b/IMG_1.xmp", "a.b/IMG_1.XMP")
    assert is_draft(draft_name("x" * 300))
    assert not draft_name("IMG_1.jpg.xmp").endswith(".xmp")
    roots = FolderRoots((str(photos.parent),))
    (photos / "IMG_1.XMP").write_bytes(b"")
    place = FolderSidecars(roots, other, str(photos.parent))
    assert update_sidecar(place, PHOTO, None, DOG).name == "2024/IMG_1.XMP"
    assert sorted(os.listdir(photos)) == ["IMG_1.XMP", "IMG_1.jpg"]


def test_a_change_between_reading_and_writing_is_seen(
    place: FolderSidecars, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if another program's edit is written over."""
    sidecar = photos / "IMG_1.jpg.xmp"
    made = update_sidecar(place, PHOTO, None, DOG)
    stood = place.read(PHOTO)
    sidecar.write_bytes(sidecar.read_bytes().replace(b"<rdf:li>dog", b"<rdf:li>Rex</rdf:li><rdf:li>dog"))
    assert code_of(lambda: place.write(PHOTO, b"ours", stood)) == ("sidecar_changed", False)
    assert code_of(lambda: place.remove(PHOTO, stood)) == ("sidecar_changed", False)
    assert drafts_in(photos) == []
    # Read again and brought together, once; a program that never stops wins.
    edited, times = sidecar.read_bytes(), []
    real = FolderSidecars.read

    def read(self: FolderSidecars, photo: str) -> Stood:
        found = real(self, photo)
        times.append(1)
        if len(times) <= changes:
            sidecar.write_bytes(edited + b"\n" * len(times))
        return found

    monkeypatch.setattr(FolderSidecars, "read", read)
    changes = 2
    merged = update_sidecar(place, PHOTO, made.merged.written, CAT).merged
    assert (merged.labels.added, merged.fields.labels) == (("Rex",), ("Rex", "cat"))
    changes = 99
    assert code_of(lambda: update_sidecar(place, PHOTO, made.merged.written, DOG)) == ("sidecar_changed", False)
    # A sidecar that appears where there was none
    sidecar.unlink()
    stood = real(place, PHOTO)
    sidecar.write_bytes(b"theirs")
    assert code_of(lambda: place.write(PHOTO, b"ours", stood)) == ("sidecar_changed", False)
    monkeypatch.setattr(folder_sidecars, "_found", lambda folder, name: None)  # at the last moment
    assert code_of(lambda: place.write(PHOTO, b"ours", stood)) == ("sidecar_changed", False)
    assert sidecar.read_bytes() == b"theirs"
    assert drafts_in(photos) == []


WRITER = """
import sys, time
from core.folders.roots import FolderRoots
from core.settings import load_settings
from libraries.sidecars import folder_sidecars
from libraries.sidecars.sidecar_place import update_sidecar
from libraries.xmp.sidecar_merge import Wanted
folder = sys.argv[1]
def hang(*args, **more):
    print("written", flush=True)
    time.sleep(60)
folder_sidecars.put_in_place = hang
place = folder_sidecars.FolderSidecars(FolderRoots((folder,)), load_settings(), folder)
update_sidecar(place, sys.argv[2], None, Wanted(labels=("half",)))
"""


def killed_writer(photos: Path, photo: str) -> None:
    """A process that is killed when its draft is complete and its sidecar not yet in place."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(photos.parent), photo], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    [draft] = drafts_in(photos)
    # Another writer does not touch it while its own lives.
    with pytest.raises(BlockingIOError), opened(photos) as folder, drafts.new_draft(folder, draft):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


class opened:
    """A folder's descriptor."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def test_a_killed_writer_leaves_no_half_sidecar_and_the_next_removes_its_draft(
    place: FolderSidecars, photos: Path
) -> None:
    made = update_sidecar(place, PHOTO, None, DOG)
    before = (photos / "IMG_1.jpg.xmp").read_bytes()
    (photos / "IMG_2.jpg").write_bytes(b"other")
    killed_writer(photos, PHOTO)
    assert (photos / "IMG_1.jpg.xmp").read_bytes() == before
    assert [name for name in os.listdir(photos) if name.endswith(".xmp")] == ["IMG_1.jpg.xmp"]
    assert FolderListing(FolderRoots((str(photos.parent),)), str(photos.parent))
    # The next writer of the same sidecar, in a process that has swept the folder before
    update_sidecar(place, PHOTO, made.merged.written, CAT)
    assert read_sidecar((photos / "IMG_1.jpg.xmp").read_bytes()).labels == ("cat",)
    assert drafts_in(photos) == []
    # The next writer in the folder, of whatever sidecar
    killed_writer(photos, PHOTO)
    next_place = FolderSidecars(FolderRoots((str(photos.parent),)), load_settings(), str(photos.parent))
    update_sidecar(next_place, "2024/IMG_2.jpg", None, DOG)
    assert drafts_in(photos) == []


def test_only_drafts_that_nobody_holds_are_swept(photos: Path) -> None:
    names = [draft_name(name) for name in ("left", "held", "old", "new")]
    for name in names:
        (photos / name).write_bytes(b"")
    (photos / ".tagline-notes.tmp").write_bytes(b"somebody's")
    (photos / draft_name("link")).symlink_to("IMG_1.jpg")
    with opened(photos) as folder, (photos / names[1]).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        drafts.sweep(folder)
        assert sorted(drafts_in(photos)) == sorted([names[1], ".tagline-notes.tmp"])
    assert (photos / "IMG_1.jpg").read_bytes() == b"photo"


def test_a_drive_without_locks_and_links_will_do(
    place: FolderSidecars, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as exFAT, and shares of a NAS. There only a draft of an hour ago is surely left."""

    def unknown(*_: object, **__: object) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(drafts.fcntl, "flock", unknown)
    monkeypatch.setattr(drafts.os, "link", unknown)
    monkeypatch.setattr(os, "fchown", unknown)
    monkeypatch.setattr(os, "fchmod", unknown)
    fresh, left = draft_name("fresh"), draft_name("left")
    for name in (fresh, left):
        (photos / name).write_bytes(b"")
    os.utime(photos / left, (0, time.time() - 4000))
    made = update_sidecar(place, PHOTO, None, DOG)
    update_sidecar(place, PHOTO, made.merged.written, CAT)
    assert read_sidecar((photos / "IMG_1.jpg.xmp").read_bytes()).labels == ("cat",)
    assert drafts_in(photos) == [fresh]


def test_what_is_no_sidecar_is_left_alone(place: FolderSidecars, photos: Path, tmp_path: Path) -> None:
    """Fails if a link is followed to a file elsewhere, or a pipe is opened."""
    sidecar, outside = photos / "IMG_1.jpg.xmp", tmp_path / "outside"
    outside.write_bytes(b"outside")
    nothing = Stood("2024/IMG_1.jpg.xmp", None, None)
    made: list[Callable[[], object]] = [
        lambda: sidecar.symlink_to(outside),
        lambda: sidecar.symlink_to("IMG_1.jpg"),
        lambda: os.mkfifo(sidecar),
        lambda: sidecar.mkdir(),
    ]
    for make in made:
        make()
        assert code_of(lambda: place.read(PHOTO)) == ("sidecar_not_regular", True)
        assert code_of(lambda: place.write(PHOTO, b"ours", nothing)) == ("sidecar_not_regular", True)
        assert code_of(lambda: place.remove(PHOTO, nothing)) == ("sidecar_not_regular", True)
        assert drafts_in(photos) == []
        sidecar.rmdir() if sidecar.is_dir() and not sidecar.is_symlink() else sidecar.unlink()
    assert outside.read_bytes() == b"outside"
    assert (photos / "IMG_1.jpg").read_bytes() == b"photo"


def test_refusals(place: FolderSidecars, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Stood("2024/IMG_1.jpg.xmp", None, None)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "b.jpg").write_bytes(b"")
    (photos / "out").symlink_to(tmp_path / "private")
    for photo in ("2024/out/b.jpg", "../private/b.jpg"):
        assert code_of(lambda photo=photo: place.write(photo, b"x", nothing)) == ("folder_not_allowed", True)
        assert code_of(lambda photo=photo: place.read(photo)) == ("folder_not_allowed", True)
    assert code_of(lambda: place.write("2024/none.jpg", b"x", nothing)) == ("file_not_found", True)
    assert code_of(lambda: place.write("none/a.jpg", b"x", nothing)) == ("file_not_found", True)
    with open(photos / "IMG_1.jpg.xmp", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert code_of(lambda: place.read(PHOTO)) == ("sidecar_too_large", True)
    (photos / "IMG_1.jpg.xmp").unlink()
    (photos / ("x" * 250 + ".jpg")).write_bytes(b"")
    assert code_of(lambda: place.read("2024/" + "x" * 250 + ".jpg")) == ("sidecar_forbidden", True)
    for number, expected in ((13, ("sidecar_forbidden", True)), (30, ("sidecar_forbidden", True)),
                             (28, ("sidecar_unavailable", False)), (5, ("sidecar_unavailable", False))):  # fmt: skip

        def refused(*_: object, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(folder_sidecars.os, "write", refused)
        assert code_of(lambda: place.write(PHOTO, b"x", nothing)) == expected
    assert drafts_in(photos) == []
    with pytest.raises(ValueError, match="without sidecars"):
        open_sidecars({"manifest_url": "https://a/"}, load_settings())


def test_a_sidecar_of_another_program_that_is_broken_is_left_as_it_is(place: FolderSidecars, photos: Path) -> None:
    sidecar = photos / "IMG_1.jpg.xmp"
    for data, code in ((b"<broken", "sidecar_broken"), (b"<!DOCTYPE a><a/>", "sidecar_entities")):
        sidecar.write_bytes(data)
        assert code_of(lambda: update_sidecar(place, PHOTO, Written(labels=("dog",)), CAT)) == (code, True)
        assert sidecar.read_bytes() == data
