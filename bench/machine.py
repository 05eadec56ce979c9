"""What a figure was measured on, and where it is written."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
_PACKAGES = ("openvino", "numpy", "pillow", "pycurl", "celery", "granian")


def machine(*more: str) -> dict[str, Any]:
    """Processor, memory, versions, and how busy the machine was with other things. `more`: packages besides."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "").split()
    memory = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0 0 kB").split()
    return {
        "cpu": cpu.partition(":")[2].strip() or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": [
            flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags
        ],
        "memory_gb": round(int(memory[1]) / 2**20, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*_PACKAGES, *more)},
        "load_before": round(os.getloadavg()[0], 2),
    }


def write_result(
    name: str,
    figures: Mapping[str, Any],
    described: dict[str, Any] | None = None,
    folder: Path = RESULTS,
    **settings: Any,
) -> Path:
    """Write `bench/results/NAME.json`, over what an earlier run wrote.

    Args:
        folder: where else.
        described: the machine as it was before the run: its load says how much to trust the figures. Unless it is
            given, it is described now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    whole = {
        "measured_at": when,
        "commit": _commit(),
        "machine": described or machine(),
        "settings": settings,
        **figures,
    }
    path.write_text(json.dumps(whole, indent=2) + "\n")
    print(f"written to {path}")
    return path


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return told.stdout.strip()
