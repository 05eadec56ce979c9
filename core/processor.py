"""What the processor of this machine is, and what it can compute with, as Linux tells it."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor.

    Attributes:
        model: the name of its model.
        features: what it can do ("amx_bf16", "avx512_vnni"); none where nobody says.
        cores: of them this process may use so many.
    """

    model: str
    features: frozenset[str]
    cores: int = 1


@functools.cache
def this_processor() -> Processor:
    """The one that this process runs on."""
    try:
        told = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    return replace(read_processor(told), cores=usable_cores())


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_processor(cpuinfo: str) -> Processor:
    """The first processor in the text of /proc/cpuinfo; its features are called "flags" on x86, "Features" on ARM."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return Processor(fields.get("model name", ""), frozenset(fields.get("flags", fields.get("features", "")).split()))
