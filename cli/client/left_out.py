"""Reporting what of a folder is not sent: each photo that could not be read by its name, the rest by kind."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cli.client.arguments import printable
from cli.client.files import LeftOut
from cli.terminal import note, warn

_NAMED = 20  # of each kind


def report_left_out(left: Sequence[LeftOut]) -> int:
    """Report on standard error what is left out and why; returns how many photos were lost."""
    kinds: dict[str, list[LeftOut]] = {}
    lost = 0
    for one in left:
        if one.lost:
            lost += 1
            warn(f"skipped {printable(str(one.path))}: {one.why}")
        else:
            kinds.setdefault(one.why, []).append(one)
    for why, those in kinds.items():
        names = ", ".join(_name(one) for one in those[:_NAMED])
        more = f" and {len(those) - _NAMED:,} more" if len(those) > _NAMED else ""
        note(f"left out, {why}: {names}{more}")
    return lost


def _name(one: LeftOut) -> str:
    return printable(one.path.name) + ("/" if os.path.isdir(one.path) else "")
