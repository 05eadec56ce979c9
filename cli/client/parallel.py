"""The same work on many things, a few at a time, in threads that hold up nobody's Ctrl-C."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

T = TypeVar("T")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[T], Result], things: Sequence[T], threads: int, ending: threading.Event
) -> list[Result]:
    """What `work` returns for each thing, in their order.

    A thread of a pool would be waited for at the end of the program, however long its network is silent; these are
    left behind.

    Args:
        ending: set when something was raised, in a thread or here: nothing more is begun.

    Raises:
        Exception: the first that `work` raised.
    """
    results: list[Result | None] = [None] * len(things)
    raised: list[BaseException] = []
    places = queue.SimpleQueue[int]()
    ended = queue.SimpleQueue[None]()
    for place in range(len(things)):
        places.put(place)

    def run() -> None:
        try:
            while not ending.is_set():
                place = places.get_nowait()
                results[place] = work(things[place])
        except queue.Empty:
            pass
        except BaseException as error:
            raised.append(error)
            ending.set()
        finally:
            ended.put(None)

    count = min(threads, len(things))
    try:
        for number in range(count):
            threading.Thread(target=run, name=f"work-{number}", daemon=True).start()
        for _ in range(count):
            ended.get()
    except BaseException:
        ending.set()
        raise
    if raised:
        raise raised[0]
    return cast(list[Result], results)
