"""The same work on many items, a few at a time, in threads that do not delay Ctrl-C."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

T = TypeVar("T")
Result = TypeVar("Result")


def run_parallel(
    work: Callable[[T], Result], items: Sequence[T], threads: int, stopping: threading.Event
) -> list[Result]:
    """What `work` returns for each item, in their order.

    Daemon threads: those of a pool would be waited for at the end of the program, however long the network is silent.

    Args:
        stopping: set when something was raised, in a thread or here; then no further item is begun.

    Raises:
        Exception: the first that `work` raised.
    """
    results: list[Result | None] = [None] * len(items)
    raised: list[BaseException] = []
    places = queue.SimpleQueue[int]()
    ended = queue.SimpleQueue[None]()
    for place in range(len(items)):
        places.put(place)

    def run() -> None:
        try:
            while not stopping.is_set():
                place = places.get_nowait()
                results[place] = work(items[place])
        except queue.Empty:
            pass
        except BaseException as error:
            raised.append(error)
            stopping.set()
        finally:
            ended.put(None)

    count = min(threads, len(items))
    try:
        for number in range(count):
            threading.Thread(target=run, name=f"work-{number}", daemon=True).start()
        for _ in range(count):
            ended.get()
    except BaseException:
        stopping.set()
        raise
    if raised:
        raise raised[0]
    return cast(list[Result], results)
