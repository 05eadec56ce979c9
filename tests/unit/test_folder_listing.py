"""Listing real folders: every photo once, in order, whatever else lies there; and never fewer without saying so."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from core.folders import opening
from core.folders.roots import FolderRoots
from libraries.listing import folder as listing
from libraries.listing.entry import MAX_KEY_BYTES, Entry, SourceFailed
from libraries.listing.folder import FolderListing


def fill(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def listed(root: Path, after: str = "", page: int = 1000, below: str = "") -> tuple[list[str], int]:
    """Keys and the number of what was skipped."""
    keys, skipped = [], 0
    for one in FolderListing(FolderRoots((str(root),)), str(root / below), page).pages(after):
        keys += [entry.key for entry in one.entries]
        skipped += one.skipped
    return keys, skipped


PHOTOS = (
    *("a.jpg", "B.JPG", "a/1.jpg", "a/b/2.heic", "a/b/3.png", "a-b.jpg", "a.d/4.webp", "ä/ü.jpeg", "日本/写真.tif"),
    *("a b/c d.jpg", "z/y/x/w/v/5.avif", "a!.gif", "~tilde.jpg", "100%.jpg", "[1].jpg"),
)
OTHERS = (
    # By other programs, and beside photos
    *("a.jpg.xmp", "a.xmp", "notes.txt", "film.mp4", "raw.cr2", "README", "a/index.html", ".tagline-0a1b.tmp"),
    # Hidden, of Apple, Windows, a NAS
    *(".hidden.jpg", "._a.jpg", "a/.DS_Store", "Thumbs.db"),
)
FOLDERS_LEFT_OUT = (
    *("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", ".AppleDouble/a.jpg", ".thumbnails/1.jpg", "a/@eaDir/b/t.jpg"),
    *("Photos Library.photoslibrary/originals/0/x.jpeg", "Cat Previews.lrdata/1/p.jpg", "#recycle/old.jpg"),
    *("$RECYCLE.BIN/x.jpg", ".Trash-1000/files/x.jpg", "__MACOSX/._x.jpg", "My.aplibrary/Masters/m.jpg"),
)


def test_photos_are_listed_and_all_else_is_counted(tmp_path: Path) -> None:
    """Fails if thumbnails, sidecars or drafts are taken for photos, or something is not accounted for."""
    fill(tmp_path, *PHOTOS, *OTHERS, *FOLDERS_LEFT_OUT)
    assert listed(tmp_path) == (sorted(PHOTOS, key=str.encode), len(OTHERS) + len(FOLDERS_LEFT_OUT))


def test_an_entry_says_what_the_system_says(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.jpg")
    path = tmp_path / "a/1.jpg"
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    roots = FolderRoots((str(tmp_path),))
    [page] = FolderListing(roots, str(tmp_path)).pages()
    [entry] = page.entries
    assert (entry.key, entry.size, entry.mtime, entry.locator) == ("a/1.jpg", 7, 1_700_000_000_123_456, None)
    for change in (lambda: path.write_bytes(b"a/2.jpg"), lambda: os.utime(path, ns=(1, 1_700_000_000_123_456_790))):
        before, _ = entry.etag, change()
        [[entry]] = [one.entries for one in FolderListing(roots, str(tmp_path)).pages()]
        assert entry.etag != before
    os.chmod(path, 0o400)  # says nothing of its bytes
    assert [one.entries for one in FolderListing(roots, str(tmp_path)).pages()] == [[entry]]


@pytest.mark.parametrize("kept", [1, 2, 3, 50_000])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_listing_goes_on_where_it_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, kept: int
) -> None:
    """Fails if a listing that goes on gives a photo twice, leaves one out, or counts what is skipped twice; also where
    a folder is read in several passes."""
    monkeypatch.setattr(listing, "_PASS", kept)
    fill(tmp_path, *PHOTOS, *OTHERS, *FOLDERS_LEFT_OUT)
    whole = listed(tmp_path)
    pages = list(FolderListing(FolderRoots((str(tmp_path),)), str(tmp_path), size).pages())
    assert max(len(page.entries) + page.skipped for page in pages) == size
    for number, page in enumerate(pages):
        assert page.position.isascii()
        rest = listed(tmp_path, page.position)
        before = [entry.key for one in pages[: number + 1] for entry in one.entries]
        assert (before + rest[0], sum(one.skipped for one in pages[: number + 1]) + rest[1]) == whole
    assert listed(tmp_path, pages[-1].position) == ([], 0)


def test_a_listing_goes_on_though_its_place_is_gone(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "c.jpg")
    pages = FolderListing(FolderRoots((str(tmp_path),)), str(tmp_path), 1).pages()
    [position] = [page.position for page in pages if [entry.key for entry in page.entries] == ["b/1.jpg"]]
    (tmp_path / "b/1.jpg").unlink()
    assert listed(tmp_path, position)[0] == ["b/2.jpg", "c.jpg"]
    (tmp_path / "b/2.jpg").unlink()
    (tmp_path / "b").rmdir()
    assert listed(tmp_path, position)[0] == ["c.jpg"]


def test_links_to_photos_below_the_roots_are_photos_and_others_are_not(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    fill(root, "real/a.jpg")
    fill(tmp_path, "private/b.jpg")
    (root / "link.jpg").symlink_to("real/a.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "private/b.jpg")
    (root / "nothing.jpg").symlink_to("none.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "folder").symlink_to("real")
    (root / "up").symlink_to("..")
    (root / "folder.jpg").symlink_to("real")
    (root / "real" / "again").symlink_to(root)
    os.mkfifo(root / "pipe.jpg")
    (root / "really.jpg").mkdir()
    assert listed(root) == (["link.jpg", "real/a.jpg"], 8)
    [page] = FolderListing(FolderRoots((str(root),)), str(root)).pages()
    linked, real = page.entries
    assert (linked.size, linked.etag) == (real.size, real.etag)


def test_names_that_no_database_can_hold_are_skipped(tmp_path: Path) -> None:
    deep = "/".join(["d" * 250] * 8)
    fill(tmp_path, "ä.jpg", f"{deep}/x.jpg")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb"):
        pass
    os.mkdir(os.fsencode(tmp_path) + b"/d\xe9")
    with open(os.fsencode(tmp_path) + b"/d\xe9/1.jpg", "wb"):
        pass
    assert len(f"{deep}/x.jpg") > MAX_KEY_BYTES
    assert listed(tmp_path) == (["ä.jpg"], 3)
    pages = list(FolderListing(FolderRoots((str(tmp_path),)), str(tmp_path), 1).pages())
    assert [listed(tmp_path, page.position)[1] for page in pages] == [2, 1, 0, 0, 0]


@pytest.mark.parametrize("number", [13, 5, 116])  # EACCES, EIO, ESTALE
@pytest.mark.parametrize("broken", ["b", "a.jpg"])
def test_a_folder_that_cannot_be_read_is_a_failure_and_not_fewer_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, number: int
) -> None:
    """Fails if an unreadable subfolder ends in silence: its photos would be taken for gone."""
    fill(tmp_path, "a.jpg", "b/1.jpg", "c.jpg")
    for module, name in ((opening.os, "open"), (listing.os, "stat")):
        monkeypatch.setattr(module, name, refusing(getattr(os, name), broken.encode(), number))
    with pytest.raises(SourceFailed) as caught:
        listed(tmp_path)
    assert (caught.value.code, caught.value.permanent) == ("folder_unreadable", number == 13)


def refusing(real: Callable[..., object], name: bytes, number: int) -> Callable[..., object]:
    """A call of the system that fails for one name."""

    def call(path: object, *args: object, **more: object) -> object:
        if path == name:
            raise OSError(number, os.strerror(number))
        return real(path, *args, **more)

    return call


def test_a_folder_that_vanishes_while_it_is_listed_is_gone(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "b/1.jpg", "c.jpg")
    keys = []
    for page in FolderListing(FolderRoots((str(tmp_path),)), str(tmp_path), 1).pages():
        keys += [entry.key for entry in page.entries]
        if keys == ["a.jpg"]:
            (tmp_path / "b/1.jpg").unlink()
            (tmp_path / "b").rmdir()
    assert keys == ["a.jpg", "c.jpg"]


def test_a_source_that_is_not_there_or_not_allowed_fails(tmp_path: Path) -> None:
    fill(tmp_path, "photos/a.jpg", "private/b.jpg")
    (tmp_path / "photos/out").symlink_to(tmp_path / "private")

    def failure(root: str, path: str) -> tuple[str, bool]:
        with pytest.raises(SourceFailed) as caught:
            list(FolderListing(FolderRoots((f"{tmp_path}/{root}",)), f"{tmp_path}/{path}").pages())
        return caught.value.code, caught.value.permanent

    assert failure("photos", "private") == ("folder_not_allowed", True)
    assert failure("photos", "photos/../private") == ("folder_not_allowed", True)
    assert failure("photos", "photos/out") == ("folder_not_allowed", True)
    assert failure("photos", "photos/none") == ("folder_not_found", True)
    assert failure("photos", "photos/a.jpg") == ("folder_not_found", True)
    assert failure("unmounted", "unmounted/2024") == ("folder_unavailable", False)


def test_a_folder_of_very_many_files_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """6,000 names in passes of 300; fails if the names of a whole folder are held at once."""
    monkeypatch.setattr(listing, "_PASS", 300)
    for number in range(6_000):
        os.close(os.open(tmp_path / f"{number:06}-{'x' * 100}.jpg", os.O_CREAT | os.O_WRONLY))
    roots = FolderRoots((str(tmp_path),))
    tracemalloc.start()
    try:
        count = sum(len(page.entries) for page in FolderListing(roots, str(tmp_path), 100).pages())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 6_000
    assert peak < 600_000


def test_descriptors_are_closed_when_a_listing_is_left(tmp_path: Path) -> None:
    fill(tmp_path, *PHOTOS)
    before = len(os.listdir("/proc/self/fd"))
    pages = FolderListing(FolderRoots((str(tmp_path),)), str(tmp_path), 2).pages()
    assert isinstance(next(pages).entries[0], Entry)
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    pages.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before
