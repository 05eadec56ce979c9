"""How much memory this process may still take, before the machine or its container has none left."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")
# Limit and use of a container, and what of that use is only a cache of files: cgroups of version 2, then of version 1.
_CONTAINERS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)


def spare_memory(root: Path = ROOT) -> int | None:
    """Bytes; None where nobody says so. `root` is where the files of Linux are looked for."""
    found = [_of_machine(root), *(_of_container(root / "sys/fs/cgroup", *names) for names in _CONTAINERS)]
    known = [size for size in found if size is not None]
    return min(known, default=None)


def _of_machine(root: Path) -> int | None:
    kib = _fields(root / "proc/meminfo").get("MemAvailable:")
    return None if kib is None else kib * 1024


def _of_container(group: Path, limit: str, use: str, cache: str) -> int | None:
    try:
        most, used = (int((group / name).read_text()) for name in (limit, use))
    except (OSError, ValueError):  # there is no such group, or it may take all ("max")
        return None
    return most - used + _fields((group / limit).with_name("memory.stat")).get(cache, 0)


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file with a name and a number on each line."""
    found = {}
    try:
        for line in path.read_text().splitlines():
            name, number, *_ = [*line.split(), "", ""]
            if number.isascii() and number.isdigit():
                found[name] = int(number)
    except (OSError, ValueError):
        pass
    return found
