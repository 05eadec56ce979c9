"""How many requests may wait follows from how many files a process may open."""

from __future__ import annotations

import resource

import pytest

from core.file_limit import MOST, raise_file_limit, sockets_to_spare


@pytest.mark.parametrize(
    ("limits", "soft", "hard"),
    [
        ((1024, 524_288), 512, MOST),
        ((4096, 4096), 3584, 3584),
        ((256, 256), 64, 64),  # most of them for everything else, and some all the same
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), MOST, MOST),
    ],
)
def test_some_are_kept_for_everything_else(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], soft: int, hard: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    assert (sockets_to_spare(), sockets_to_spare(soft=False)) == (soft, hard)


def test_the_soft_limit_is_raised_and_a_refusal_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(which: int, limits: tuple[int, int]) -> None:
        asked.append(limits)
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_file_limit()
    assert asked == [(4096, 4096)]
