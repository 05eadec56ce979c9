"""Keeping Python's search for garbage away from what a process keeps for good.

A worker with its models holds some 160,000 objects. To look through all of them for cycles took 170 to 190 ms here, in
which no thread of the process runs: what one photo out of fifty had waited for. See `gc.freeze`.
"""

from __future__ import annotations

import gc


def keep_for_good() -> None:
    """Look for garbage once more, then look no more at what is left: call it when all is loaded, and again when
    something else was."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
