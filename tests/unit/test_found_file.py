"""What was measured is kept by machine and artefact; whatever else lies in its place is ignored and does no harm."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import report
from core.artefacts.manifest import load_manifest
from core.calibration.announced import announce, read_announced
from core.calibration.found_file import FILE, LOCK, MOST, ROOM, CalibrationRoom, Found, FoundFile
from core.calibration.setups import RunsAs, Setup, calibration_key, runs_as, variants_to_try
from core.processor import Processor
from core.settings import MODELS_DIR, Settings
from tests.support.manifests import make
from tests.support.variants import add_variants

COOPER = Processor("A: B", frozenset({"avx512_bf16", "avx512_vnni"}), cores=8)
KEY = "a" * 64


def found(**fields: Any) -> Found:
    given = {
        "model": "toy@1.0.0", "processor": "A: B", "variant": "bf16", "batch_size": 8, "streams": 2,
        "rates": {"f32": 40.0, "bf16": 90.5}, "seconds": 3.2, "measured_at": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    return Found.model_validate({**given, **fields})


@pytest.fixture
def room(tmp_path: Path) -> CalibrationRoom:
    made = CalibrationRoom(tmp_path)
    with made.locked() as mine:
        assert mine
        made.write(FoundFile().begin(KEY).end(KEY, found()))
    return made


@pytest.fixture
def measured_folder(tmp_path: Path) -> Path:
    """An artefact with bfloat16, whose own metrics stand there, and int8, of which nobody says what it loses."""
    folder = make(tmp_path / "models")
    add_variants(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["variants"][0]["metrics"] = [{"name": "accuracy", "value": 0.9, "source": "measured"}]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_what_is_kept_is_found_again(room: CalibrationRoom, tmp_path: Path) -> None:
    assert CalibrationRoom(tmp_path).read() == FoundFile(found={KEY: found()}, begun={})
    assert sorted(os.listdir(tmp_path / ROOM)) == [FILE, LOCK], "no draft is left"
    assert CalibrationRoom(tmp_path / "elsewhere").read() == FoundFile()


GOOD = {"schema_version": 1, "found": {KEY: found().model_dump()}, "begun": {}}
ONE = GOOD["found"][KEY]  # type: ignore[index]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema_version": 2}', b" " * 300_000,
        b"9" * 5000, json.dumps(GOOD).encode()[:-40], json.dumps({**GOOD, "more": 1}).encode(),
        json.dumps({**GOOD, "found": {"short": ONE}}).encode(),
        json.dumps({**GOOD, "begun": {KEY: "1"}}).encode(),
        json.dumps({**GOOD, "partial": {KEY: {"int4": 1.0}}}).encode(),
        json.dumps({**GOOD, "partial": {KEY: {"f32": -1.0}}}).encode(),
        json.dumps({**GOOD, "found": {f"{at:064x}": ONE for at in range(MOST + 1)}}).encode(),
        *(json.dumps({**GOOD, "found": {KEY: {**ONE, **wrong}}}).encode() for wrong in (
            {"variant": "int4"}, {"variant": None}, {"batch_size": 0}, {"batch_size": 10**9}, {"batch_size": "8"},
            {"batch_size": 8.5}, {"batch_size": True}, {"streams": -1}, {"streams": 10**30}, {"model": "../x"},
            {"rates": {"bf16": "fast"}}, {"rates": {"\x1b[2J": 1.0}}, {"processor": "\x1b]0;x\x07"}, {"seconds": -1},
            {"measured_at": "\n\n"}, {"measured_at": "x" * 300}, {"extra": 1}, {"rates": []},
        )),
        json.dumps(GOOD).replace("90.5", "NaN").encode(), json.dumps(GOOD).replace("90.5", "1e999").encode(),
    ],
)  # fmt: skip
def test_a_broken_file_is_ignored_and_replaced(tmp_path: Path, data: bytes) -> None:
    """Would fail if what nobody measured could stop a worker, set its batches, or reach a terminal."""
    room = CalibrationRoom(tmp_path)
    room.file.parent.mkdir()
    room.file.write_bytes(data)
    kept, fault = room.read_or_nothing()
    assert kept == FoundFile()
    assert fault
    assert len(fault) < 400
    assert fault.isprintable()
    assert any("is ignored" in line for line in report(Settings(data_dir=tmp_path, models_dir=tmp_path), COOPER))
    with room.locked() as mine:
        assert mine
        room.write(kept.end(KEY, found()))
    assert room.read().found == {KEY: found()}


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "dangling", "socket"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    room = CalibrationRoom(tmp_path)
    room.file.parent.mkdir()
    other = tmp_path / "other.json"
    other.write_text(json.dumps(GOOD))
    if kind == "pipe":
        os.mkfifo(room.file)
    elif kind == "folder":
        room.file.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(room.file))
    else:
        room.file.symlink_to(other if kind == "link" else tmp_path / "absent")
    kept, fault = room.read_or_nothing()
    assert kept == FoundFile()
    assert fault
    with room.locked() as mine:
        assert mine
        if kind == "folder":
            with pytest.raises(OSError, match="directory"):
                room.write(FoundFile())
            assert sorted(os.listdir(tmp_path / ROOM)) == [FILE, LOCK], "no draft is left"
        else:
            room.write(FoundFile(found={KEY: found()}))
            assert room.read().found
    assert json.loads(other.read_text()) == GOOD, "what a link leads to is not written"


def test_others_may_read_it_and_share_the_folder(tmp_path: Path) -> None:
    """Would fail if `tagline doctor` of another user, or a worker of one in the group, met "Permission denied"."""
    before = os.umask(0o002)
    try:
        made = CalibrationRoom(tmp_path)
        with made.locked():
            made.write(FoundFile())
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / ROOM / LOCK).stat().st_mode) == 0o664


def test_a_data_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is no folder"), CalibrationRoom(tmp_path / "data").locked():
        pass
    assert not (tmp_path / "data").exists()


def _add_many(folder: Path, first: int) -> None:
    room, left = CalibrationRoom(folder), list(range(first, first + 10))
    while left:
        with room.locked() as mine:
            if mine:
                room.write(room.read().end(f"{left.pop():064x}", found()))


def test_processes_that_share_a_folder_lose_nothing(tmp_path: Path) -> None:
    """Would fail if a file were ever read half written, or if one process wrote over what another has just kept."""
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_add_many, args=(tmp_path, first)) for first in (0, 10, 20)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        CalibrationRoom(tmp_path).read()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert set(CalibrationRoom(tmp_path).read().found) == {f"{at:064x}" for at in range(30)}


def test_a_lock_that_is_held_is_not_waited_for(room: CalibrationRoom, tmp_path: Path) -> None:
    with room.locked() as mine, CalibrationRoom(tmp_path).locked() as too:
        assert (mine, too) == (True, False)
    with CalibrationRoom(tmp_path).locked() as mine:
        assert mine


def test_the_file_does_not_grow_for_ever() -> None:
    kept = FoundFile()
    for at in range(MOST + 10):
        kept = kept.begin(f"{at + 1000:064x}").end(f"{at:064x}", found())
    assert len(kept.found) == len(kept.begun) == MOST
    assert f"{0:064x}" not in kept.found
    assert f"{MOST + 9:064x}" in kept.found
    FoundFile.model_validate(kept.model_dump())


def test_a_measurement_holds_for_one_machine_and_one_artefact(measured_folder: Path) -> None:
    manifest, settings = load_manifest(measured_folder), Settings()
    key = calibration_key(manifest, settings, COOPER)
    assert key == calibration_key(load_manifest(measured_folder), Settings(), Processor("A: B", COOPER.features, 8))
    others = [
        calibration_key(manifest, settings, Processor("A: C", COOPER.features, 8)),
        calibration_key(manifest, settings, Processor("A: B", frozenset({"avx2"}), 8)),
        calibration_key(manifest, settings, Processor("A: B", COOPER.features, 4)),
        calibration_key(manifest, Settings(precision="f32"), COOPER),
        calibration_key(manifest, Settings(batch_size=8), COOPER),
    ]
    (measured_folder / "graph.pb").write_bytes(b"another graph")
    text = json.loads((measured_folder / "manifest.json").read_text())
    text["files"]["graph.pb"] = "0" * 64
    (measured_folder / "manifest.json").write_text(json.dumps(text))
    others.append(calibration_key(manifest.model_validate(text), settings, COOPER))
    assert len({key, *others}) == 1 + len(others)


def test_only_what_was_measured_may_be_chosen(measured_folder: Path) -> None:
    """bfloat16 without AMX is tried, though no table of features names it; int8, which has no metrics, is only where it
    is the default."""
    manifest = load_manifest(measured_folder)
    assert variants_to_try(manifest, "auto", frozenset({"avx512_bf16"})) == ("f32", "bf16")
    assert variants_to_try(manifest, "auto", COOPER.features) == ("f32", "bf16", "int8")
    assert variants_to_try(manifest, "auto", frozenset({"avx2"})) == ("f32",)
    assert variants_to_try(manifest, "f32", COOPER.features) == ("f32",)
    assert variants_to_try(manifest, "bf16", frozenset({"avx2"})) == ("f32",)


def test_int8_is_tried_where_it_says_what_was_measured() -> None:
    """Without VNNI and AMX sums overflow: there it may be faster, and its card would be of another model."""
    encoder = load_manifest(MODELS_DIR / "efficientnet-lite2", verify=False)
    assert variants_to_try(encoder, "auto", frozenset({"avx2", "avx512f"})) == ("f32",)
    for feature in ("avx_vnni", "avx512_vnni", "amx_int8"):
        assert variants_to_try(encoder, "auto", frozenset({feature})) == ("f32", "int8")


@pytest.mark.parametrize(
    ("settings", "fields", "runs"),
    [
        ({}, {}, RunsAs(Setup("bf16", 8, 2), "measured")),
        ({}, {"variant": "f32", "streams": 8}, RunsAs(Setup("f32", 8, 8), "measured")),
        ({"precision": "f32"}, {"variant": "f32"}, RunsAs(Setup("f32", 8, 2), "measured")),
        ({"precision": "f32"}, {}, RunsAs(Setup("f32", 16), "pinned")),
        ({"precision": "bf16"}, {"variant": "f32"}, RunsAs(Setup("bf16", 16), "pinned")),
        ({}, {"streams": 9}, RunsAs(Setup("int8", 16), "default")),
        ({"batch_size": 4}, {}, RunsAs(Setup("int8", 4), "default")),
        ({"calibrate": False}, {}, RunsAs(Setup("int8", 16), "default")),
        ({"calibrate": False, "precision": "f32"}, {"variant": "f32"}, RunsAs(Setup("f32", 16), "pinned")),
    ],
)
def test_what_was_found_serves_as_far_as_it_is_allowed(
    measured_folder: Path, settings: dict[str, Any], fields: dict[str, Any], runs: RunsAs
) -> None:
    """Whoever can write the file can choose among what could be chosen anyway, and nothing else."""
    manifest = load_manifest(measured_folder)
    assert runs_as(manifest, Settings(**settings), COOPER, found(**fields)) == runs
    assert runs_as(manifest, Settings(), COOPER, None) == RunsAs(Setup("int8", 16), "default")


def test_the_doctor_says_what_was_measured(measured_folder: Path, tmp_path: Path) -> None:
    given = {"data_dir": tmp_path, "models_dir": measured_folder.parent, "runtime": "openvino"}
    settings = Settings.model_validate(given)
    key = calibration_key(load_manifest(measured_folder), settings, COOPER)
    room = CalibrationRoom(tmp_path)
    with room.locked():
        room.write(FoundFile(found={key: found()}))
    [line] = [line for line in report(settings, COOPER) if line.startswith("toy@1.0.0")]
    assert "bf16 (also there: f32, int8); measured: f32 40/s, bf16 90.5/s; batches of 8, 2 at a time" in line
    pinned = Settings.model_validate({**given, "precision": "f32"})
    assert any(line.endswith("  f32 (also there: bf16, int8)") for line in report(pinned, COOPER))
    turned_off = Settings.model_validate({**given, "calibrate": False})
    assert any(line.endswith("  int8 (also there: f32, bf16)") for line in report(turned_off, COOPER))


def test_what_a_worker_announces_is_read_as_it_was_meant() -> None:
    runs = RunsAs(Setup("bf16", 8), "measured")
    assert read_announced(announce("eye@1.0.0", runs, 2)) == ("eye@1.0.0", RunsAs(Setup("bf16", 8, 2), "measured"))
    for line in ("eye@1.0.0", "eye@1.0.0/bf16", "eye@1.0.0/bf16/8/2/guessed", "eye@1.0.0/bf16/8/-2/default", ""):
        assert read_announced(line) is None
