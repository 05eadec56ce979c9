"""What the processor of this machine is, and what it can compute with, as Linux tells it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor: the name of its model, and its features ("amx_bf16", "avx512_vnni"); none where nobody says."""

    model: str
    features: frozenset[str]


@functools.cache
def this_processor() -> Processor:
    """The one that this process runs on."""
    try:
        return read_processor(CPUINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return Processor("", frozenset())


def read_processor(cpuinfo: str) -> Processor:
    """The first processor in the text of /proc/cpuinfo; its features are called "flags" on x86, "Features" on ARM."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return Processor(fields.get("model name", ""), frozenset(fields.get("flags", fields.get("features", "")).split()))
