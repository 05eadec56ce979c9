"""Machines with accelerators, as far as choosing a runtime asks for them."""

from __future__ import annotations

import pytest

from core.artefacts import runtimes
from worker.runtimes import choose


def machine(
    monkeypatch: pytest.MonkeyPatch, device: bool, sees: tuple[str, ...], installed: tuple[str, ...] = ("openvino",)
) -> None:
    """One with a card or without, which these runtimes see."""
    monkeypatch.setattr(choose, "cards", lambda: ["NVIDIA T4"] if device else [])
    monkeypatch.setattr(choose, "_sees_gpu", lambda runtime: runtime in sees)
    monkeypatch.setattr(runtimes, "find_spec", lambda name: name in installed or None)
