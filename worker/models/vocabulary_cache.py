"""The label lists of callers, each embedded once and kept while it is among the last that were used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from core.artefacts.vocabularies import Vocabulary

KEPT_LISTS = 64  # of 1,000 labels at most: some 50 MB


class VocabularyCache:
    """Vocabularies by their labels; safe to share between threads."""

    def __init__(self, embed: Callable[[tuple[str, ...]], Vocabulary], kept: int = KEPT_LISTS) -> None:
        """`embed` makes a vocabulary of labels; of the last `kept` lists that were asked for it is called once."""
        self._embed = embed
        self._kept = kept
        self._lock = threading.Lock()
        self._lists: OrderedDict[tuple[str, ...], Future[Vocabulary]] = OrderedDict()

    def get(self, labels: tuple[str, ...]) -> Vocabulary:
        """The vocabulary of these labels; a thread that asks while another embeds them waits for that one."""
        with self._lock:
            future = self._lists.get(labels)
            mine = future is None
            if future is None:
                future = self._lists[labels] = Future()
            self._lists.move_to_end(labels)
            while len(self._lists) > self._kept:
                self._lists.popitem(last=False)
        if mine:
            self._fill(labels, future)
        return future.result()

    def _fill(self, labels: tuple[str, ...], future: Future[Vocabulary]) -> None:
        try:
            future.set_result(self._embed(labels))
        except BaseException as error:
            with self._lock:  # the next one to ask tries again
                if self._lists.get(labels) is future:
                    del self._lists[labels]
            future.set_exception(error)
