"""What a figure was measured on, and where figures are written."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def describe_machine() -> dict[str, Any]:
    """Processor, cores, Python, and how busy the machine is with other work (load averages of 1, 5 and 15 minutes)."""
    names = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    }
    return {
        "processor": ", ".join(sorted(names)) or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": [round(value, 1) for value in os.getloadavg()],
    }


def write_result(name: str, figures: Mapping[str, Any]) -> Path:
    """Write `bench/results/NAME.json`: figures, the day, and the machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    found = {"measured": datetime.now(UTC).date().isoformat(), "machine": describe_machine(), **figures}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return path
