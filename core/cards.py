"""Which accelerators this machine has, as Linux tells it; asking a runtime would load it first, which takes seconds."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")
DEVICES = {"dev/nvidiactl": "NVIDIA", "dev/kfd": "AMD", "dev/dxg": "under WSL"}
MODELS = "proc/driver/nvidia/gpus"  # a folder a card, whose file `information` has a line `Model: NAME`


def cards(root: Path = ROOT) -> list[str]:
    """The names of the accelerators, one for each; of those whose driver tells no name, one for their kind.

    Args:
        root: where `dev` and `proc` are.
    """
    named = [_model(path) for path in sorted((root / MODELS).glob("*/information"))]
    kinds = [kind for device, kind in DEVICES.items() if (root / device).exists()]
    # Without its device a card that the driver knows cannot be used: a container to which it was not handed.
    if "NVIDIA" in kinds and any(named):
        kinds.remove("NVIDIA")
        return [name for name in named if name] + [f"a card ({kind})" for kind in kinds]
    return [f"a card ({kind})" for kind in kinds]


def _model(information: Path) -> str:
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "")
