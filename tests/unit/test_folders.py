"""Files below the operator's folders: what is opened is below a root, whatever links and other people do."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import ItemError
from core.folders import opening
from core.folders.opening import opened_folder, read_file
from core.folders.roots import FolderRoots
from core.settings import load_settings
from core.settings_checks import SettingsError

MAX = 1000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root `photos` with a photo in a subfolder, and a secret beside it."""
    (tmp_path / "photos" / "2024").mkdir(parents=True)
    (tmp_path / "photos" / "2024" / "a.jpg").write_bytes(b"photo")
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a.jpg").write_bytes(b"secret")
    (tmp_path / "photos2").mkdir()
    (tmp_path / "photos2" / "a.jpg").write_bytes(b"neighbour")
    return tmp_path


@pytest.fixture
def roots(tree: Path) -> FolderRoots:
    return FolderRoots((str(tree / "photos"),))


def refusal(roots: FolderRoots, path: object, max_bytes: int = MAX) -> tuple[str, bool]:
    with pytest.raises(ItemError) as caught:
        read_file(roots, str(path), max_bytes)
    return caught.value.code, caught.value.permanent


NOT_ALLOWED = ("folder_not_allowed", True)


def test_a_file_is_read_with_what_the_system_says_of_it(tree: Path, roots: FolderRoots) -> None:
    path = tree / "photos" / "2024" / "a.jpg"
    for written in (str(path), f"{tree}/photos/./2024//a.jpg", f"/{path}"):
        data, found = read_file(roots, written, MAX)
        assert (data, found.st_mtime_ns) == (b"photo", path.stat().st_mtime_ns)


@pytest.mark.parametrize(
    "path",
    [
        *("", "a.jpg", "photos/2024/a.jpg", "~/a.jpg", "file:///photos/a.jpg", "/etc/passwd", "/", "//"),
        *("TREE/private/a.jpg", "TREE/photos2/a.jpg", "TREE/photos/../private/a.jpg", "TREE/photos/2024/../2024/a.jpg"),
        *("TREE/photos/2024/a.jpg\0", "TREE/photos/\0/a.jpg", "TREE/photos/\ud800.jpg", "TREE/photos/" + "x" * 5000),
        "TREE/photos/2024/..",
    ],
)
def test_paths_outside_are_refused_by_their_text(tree: Path, roots: FolderRoots, path: str) -> None:
    assert refusal(roots, path.replace("TREE", str(tree))) == NOT_ALLOWED
    assert refusal(FolderRoots(()), tree / "photos" / "2024" / "a.jpg") == NOT_ALLOWED


def test_links_are_resolved_before_anything_is_judged(tree: Path, roots: FolderRoots) -> None:
    photos = tree / "photos"
    (photos / "inside.jpg").symlink_to("2024/a.jpg")
    (photos / "inside").symlink_to(photos / "2024")
    (photos / "out.jpg").symlink_to("../private/a.jpg")
    (photos / "out").symlink_to(tree / "private")
    (photos / "loop").symlink_to("loop")
    (photos / "nothing.jpg").symlink_to("2024/none.jpg")
    (tree / "way-in").symlink_to(photos)
    for good in (photos / "inside.jpg", photos / "inside" / "a.jpg", tree / "way-in" / "2024" / "a.jpg"):
        assert read_file(roots, str(good), MAX)[0] == b"photo"
    for bad in (photos / "out.jpg", photos / "out" / "a.jpg", photos / "loop", photos / "loop" / "a.jpg"):
        assert refusal(roots, bad) == NOT_ALLOWED
    assert refusal(roots, photos / "nothing.jpg") == ("file_not_found", True)
    # The root itself may be named through a link, and the link may lead elsewhere from one moment to the next.
    moving = FolderRoots((str(tree / "way-in"),))
    assert read_file(moving, str(photos / "2024" / "a.jpg"), MAX)[0] == b"photo"
    (tree / "way-in").unlink()
    (tree / "way-in").symlink_to(tree / "photos2")
    assert refusal(moving, photos / "2024" / "a.jpg") == NOT_ALLOWED
    assert read_file(moving, str(tree / "way-in" / "a.jpg"), MAX)[0] == b"neighbour"


def test_what_is_no_file_is_not_opened(tree: Path, roots: FolderRoots) -> None:
    """Fails if a pipe is opened: without a writer that would wait for ever; or a device, which may do something."""
    photos = tree / "photos"
    os.mkfifo(photos / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(photos / "s.jpg"))
        for path in (photos, photos / "2024", photos / "pipe.jpg", photos / "s.jpg"):
            assert refusal(roots, path) == ("file_not_regular", True)
    assert refusal(FolderRoots(("/dev",)), "/dev/null") == ("file_not_regular", True)


def test_what_is_missing_forbidden_or_too_large_says_so(tree: Path, roots: FolderRoots) -> None:
    photos = tree / "photos"
    (photos / "just.jpg").write_bytes(b"x" * MAX)
    (photos / "large.jpg").write_bytes(b"x" * (MAX + 1))
    assert len(read_file(roots, str(photos / "just.jpg"), MAX)[0]) == MAX
    assert refusal(roots, photos / "large.jpg") == ("fetch_too_large", True)
    assert refusal(roots, photos / "none.jpg") == ("file_not_found", True)
    assert refusal(roots, photos / "none" / "a.jpg") == ("file_not_found", True)
    assert refusal(roots, photos / "just.jpg" / "a.jpg") == ("file_not_found", True)
    assert refusal(roots, photos / ("x" * 300)) == ("file_not_found", True)
    unmounted = FolderRoots((str(tree / "unmounted"),))
    assert refusal(unmounted, tree / "unmounted" / "a.jpg") == ("folder_unavailable", False)


def test_a_file_that_grows_while_it_is_read_is_not_read_without_end(
    tree: Path, roots: FolderRoots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening.os, "read", lambda descriptor, size: b"x" * min(size, 100))
    assert refusal(roots, tree / "photos" / "2024" / "a.jpg") == ("fetch_too_large", True)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *((errno.EACCES, ("file_unreadable", True)), (errno.EPERM, ("file_unreadable", True))),
        *((errno.EIO, ("file_unreadable", False)), (errno.ESTALE, ("file_unreadable", False))),
        (errno.EMFILE, None),
    ],
)
def test_what_the_system_says_is_told(
    tree: Path, roots: FolderRoots, monkeypatch: pytest.MonkeyPatch, number: int, code: tuple[str, bool] | None
) -> None:
    """Shortages of this machine stay what they are: worker/sources calls them `worker_resources`."""

    def refused(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(opening.os, "read", refused)
    path = tree / "photos" / "2024" / "a.jpg"
    if code:
        assert refusal(roots, path) == code
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            read_file(roots, str(path), MAX)


@pytest.fixture
def swapping(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts a link in the place of `photos/NAME` at the last moment: after the look, before the step."""
    real = os.open

    def arm(name: str) -> None:
        target, aside = tree / "photos" / name, tree / "aside"

        def swapped(path: Any, flags: int, *args: Any, **more: Any) -> int:
            if path == Path(name).name and not target.is_symlink():
                target.rename(aside)
                target.symlink_to(tree / "private" / Path(name).relative_to("2024"))
            return real(path, flags, *args, **more)

        monkeypatch.setattr(opening.os, "open", swapped)

    return arm


@pytest.mark.parametrize("name", ["2024", "2024/a.jpg"])
def test_a_link_that_appears_at_the_last_moment_leads_nowhere(
    tree: Path, roots: FolderRoots, swapping: Callable[[str], None], name: str
) -> None:
    """Fails if a step follows a link that was not there when the path was resolved."""
    swapping(name)
    assert refusal(roots, tree / "photos" / "2024" / "a.jpg") == NOT_ALLOWED


def test_a_link_inside_that_appears_at_the_last_moment_is_resolved_anew(tree: Path, roots: FolderRoots) -> None:
    (tree / "photos" / "2024").rename(tree / "photos" / "old")
    (tree / "photos" / "2024").symlink_to("old")
    assert read_file(roots, str(tree / "photos" / "2024" / "a.jpg"), MAX)[0] == b"photo"


def test_no_descriptor_is_left_open(tree: Path, roots: FolderRoots) -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    (tree / "photos" / "large.jpg").write_bytes(b"x" * (MAX + 1))
    before = opened()
    for _ in range(3):
        for path in ("2024/a.jpg", "large.jpg", "none.jpg", "2024", "2024/none/a.jpg"):
            try:
                read_file(roots, f"{tree}/photos/{path}", MAX)
            except ItemError:
                pass
    with opened_folder(roots, f"{tree}/photos/2024") as descriptor:
        assert stat.S_ISDIR(os.fstat(descriptor).st_mode)
        assert os.listdir(descriptor) == ["a.jpg"]
    assert opened() == before


def test_uploads_are_not_read_as_files(tmp_path: Path) -> None:
    """They belong to their tenants; a root above the data folder must not open them to all."""
    upload = tmp_path / "data" / "uploads" / "ab" / "cd" / "abcd"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"somebody's")
    (tmp_path / "link").symlink_to(upload)
    roots = FolderRoots.of(load_settings(data_dir=tmp_path / "data", folders=(str(tmp_path),)))
    assert refusal(roots, upload) == NOT_ALLOWED
    assert refusal(roots, tmp_path / "link") == NOT_ALLOWED


def test_a_long_list_is_judged_as_each_path_alone(tree: Path, roots: FolderRoots) -> None:
    """Fails if what is remembered of a folder lets a link in it, or another folder, pass."""
    photos = tree / "photos"
    (photos / "2024" / "out.jpg").symlink_to(tree / "private" / "a.jpg")
    (photos / "out").symlink_to(tree / "private")
    paths = [
        *("2024/a.jpg", "2024/b.jpg", "2024/out.jpg", "2024/c.jpg", "2024/..", "2024/.", "2024/", "2024/d.jpg\0"),
        *("2024/e.jpg", "out/a.jpg", "out/b.jpg", "../private/a.jpg", "2024/f.jpg", "2024/../../private/a.jpg"),
        *("out", "out/a.jpg", "2024", "2024/g.jpg"),
    ]
    check = roots.in_a_row()

    def judged(judge: Callable[[str], object], path: str) -> str:
        try:
            judge(f"{photos}/{path}")
        except ItemError as error:
            return error.code
        return ""

    assert [judged(check, path) for path in paths] == [judged(roots.locate, path) for path in paths]


@pytest.mark.parametrize(
    "value", ["photos", "./photos", "~/Pictures", "/", "//", "/srv/../etc", "/srv/ph\notos", "s3://b/p", "/a,b"]
)
def test_a_setting_that_names_no_folder_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_FOLDERS", value)
    with pytest.raises(SettingsError, match="TAGLINE_FOLDERS: "):
        load_settings()


def test_the_setting_lists_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_FOLDERS", "/srv/photos/, //mnt/nas//pictures ,")
    assert load_settings().folders == ("/srv/photos", "/mnt/nas/pictures")
