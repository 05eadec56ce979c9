"""What may be a moment old is found out by one caller, once in that moment; an artefact shows up soon all the same."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.artefacts import ttl_cache
from core.artefacts.catalogue import Catalogue
from core.artefacts.ttl_cache import TtlCache
from tests.support.manifests import make


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(ttl_cache, "monotonic", made)
    return made


def test_it_is_found_out_once_in_its_time(clock: Clock) -> None:
    found = iter(range(100))
    known = TtlCache(lambda: next(found), max_age_s=1.0)
    assert [known(), known()] == [0, 0]
    clock.now += 0.9
    assert known() == 0
    clock.now += 0.2
    assert [known(), known()] == [1, 1]


def test_without_an_age_it_is_found_out_each_time(clock: Clock) -> None:
    found = iter(range(100))
    known = TtlCache(lambda: next(found), max_age_s=0.0)
    assert [known(), known(), known()] == [0, 1, 2]


def test_a_failure_is_not_remembered(clock: Clock) -> None:
    outcomes = iter([ValueError("broken"), "mended"])

    def find() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, ValueError):
            raise outcome
        return outcome

    known = TtlCache(find, max_age_s=1.0)
    with pytest.raises(ValueError):
        known()
    assert known() == "mended"


def test_one_looks_and_the_others_do_not_wait(clock: Clock) -> None:
    """Hashing a model that was just installed may take seconds; submissions go on with what was known before."""
    looking, go_on, calls = threading.Event(), threading.Event(), []

    def find() -> int:
        calls.append(1)
        if len(calls) == 2:
            looking.set()
            assert go_on.wait(180)
        return len(calls)

    known = TtlCache(find, max_age_s=1.0)
    assert known() == 1
    clock.now += 2
    slow: list[int] = []
    thread = threading.Thread(target=lambda: slow.append(known()))
    thread.start()
    assert looking.wait(180)
    assert [known() for _ in range(5)] == [1] * 5
    go_on.set()
    thread.join()
    assert (slow, known(), len(calls)) == ([2], 2, 2)


def test_the_first_ones_all_wait_for_one_look(clock: Clock) -> None:
    inside, go_on, calls, got = threading.Event(), threading.Event(), [], []

    def find() -> str:
        calls.append(1)
        inside.set()
        assert go_on.wait(180)
        return "found"

    known = TtlCache(find, max_age_s=1.0)
    threads = [threading.Thread(target=lambda: got.append(known())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert inside.wait(180)
    go_on.set()
    for thread in threads:
        thread.join()
    assert (got, len(calls)) == (["found"] * 8, 1)


def test_what_is_installed_or_made_the_default_shows_up_within_the_age(tmp_path: Path, clock: Clock) -> None:
    make(tmp_path)
    catalogue = Catalogue(tmp_path, max_age_s=1.0)
    assert (len(catalogue.entries()), catalogue.defaults()) == (1, {})
    make(tmp_path, version="2.0.0", folder="newer")
    (tmp_path / "defaults.json").write_text('{"classify": "toy"}')
    assert (len(catalogue.entries()), catalogue.defaults()) == (1, {})
    clock.now += 1.0
    assert (len(catalogue.entries()), catalogue.defaults()) == (2, {"classify": "toy"})


def test_callers_may_change_what_they_are_given(tmp_path: Path, clock: Clock) -> None:
    make(tmp_path)
    catalogue = Catalogue(tmp_path, max_age_s=1.0)
    catalogue.entries().clear()
    catalogue.defaults()["classify"] = "x"
    assert (len(catalogue.entries()), catalogue.defaults()) == (1, {})


def test_by_default_it_is_there_at_once(tmp_path: Path) -> None:
    """As workers need it: they are told to look, and then there must be something to see."""
    catalogue = Catalogue(tmp_path)
    for number in range(1, 4):
        make(tmp_path, version=f"{number}.0.0", folder=str(number))
        assert len(catalogue.entries()) == number
