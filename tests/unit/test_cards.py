"""Which accelerators a machine is said to have."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cards import cards

INFORMATION = "Model: \t\t {name}\nIRQ:   \t\t 37\nGPU UUID: \t GPU-0\n"


def machine(root: Path, devices: tuple[str, ...], names: tuple[str, ...]) -> Path:
    """A file system with these devices, and what the driver says of these cards."""
    for device in devices:
        (root / "dev" / device).parent.mkdir(parents=True, exist_ok=True)
        (root / "dev" / device).touch()
    for at, name in enumerate(names):
        folder = root / "proc" / "driver" / "nvidia" / "gpus" / f"0000:0{at}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(INFORMATION.format(name=name) if name else "Video BIOS: ??\n")
    return root


@pytest.mark.parametrize(
    ("devices", "names", "said"),
    [
        ((), (), []),
        (("nvidiactl",), ("NVIDIA H100 80GB HBM3", "NVIDIA T4"), ["NVIDIA H100 80GB HBM3", "NVIDIA T4"]),
        (("nvidiactl",), (), ["a card (NVIDIA)"]),
        (("nvidiactl",), ("",), ["a card (NVIDIA)"]),
        (("kfd",), (), ["a card (AMD)"]),
        (("dxg",), (), ["a card (under WSL)"]),
        (("nvidiactl", "kfd"), ("NVIDIA T4",), ["NVIDIA T4", "a card (AMD)"]),
        # The driver of the host shows its cards in every container; those that were handed none have no device.
        ((), ("NVIDIA T4",), []),
    ],
)
def test_cards_are_named(tmp_path: Path, devices: tuple[str, ...], names: tuple[str, ...], said: list[str]) -> None:
    assert cards(machine(tmp_path, devices, names)) == said
