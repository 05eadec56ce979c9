"""The photos of a library as a gallery: by label, by name, by state, or by what is to be seen on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from api.http.cursors import after_number, from_offset, read_number, read_offset
from api.http.queries import choice_parameter
from api.services import services
from core.errors import NotFound, TaglineError
from core.states import PhotoState
from db.library_photos import PhotoFilter
from jobs.storable import UNSTORABLE
from libraries import photos
from libraries.search import MAX_QUERY

PER_PAGE = 48
SURE = 0.5  # people see labels from here on (decision 0126)
MOST_LETTERS = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """Which photos somebody wants to see.

    Attributes:
        words: what is to be seen on them, best first; then the others are without effect.
        label, named, state: as in `PhotoFilter`, `named` being words of the key or the caption.
        cursor: where the page begins.
    """

    words: str = ""
    label: str = ""
    named: str = ""
    state: str = ""
    cursor: str | None = None

    @classmethod
    def of(cls, args: MultiDict[str, str]) -> Wish:
        """From a query; empty fields of forms count as not given, and what no photo can have as written.

        Raises:
            RequestError: `parameter_invalid`.
        """
        state = choice_parameter(args, "state", tuple(PhotoState)) if args.get("state") else None
        texts = {name: _clean(args.get(name, "")) for name in ("words", "label", "named")}
        return cls(**texts, state=state or "", cursor=args.get("cursor") or None)

    def query(self, **changed: str | None) -> str:
        """The same wish as a query, from its beginning unless a cursor is given."""
        given = {"words": self.words, "label": self.label, "named": self.named, "state": self.state, **changed}
        return urlencode({name: value for name, value in given.items() if value})

    @property
    def is_any(self) -> bool:
        return not (self.words or self.label or self.named or self.state)


@dataclass(frozen=True, slots=True)
class Gallery:
    """A page of photos as the API shows them; `trouble` is why there are none, in words."""

    photos: list[Mapping[str, Any]]
    cursor: str | None = None
    trouble: str | None = None


def gallery(tenant_id: str, library_id: str, wish: Wish) -> Gallery:
    """The photos that are wished for.

    Raises:
        NotFound: `library_not_found`.
        RequestError: `cursor_invalid`.
    """
    if wish.words:
        return _seen(tenant_id, library_id, wish)
    wanted = PhotoFilter(label=wish.label or None, state=wish.state or None, q=wish.named or None, least=SURE)
    after = read_number(wish.cursor)
    with services().database.read() as session:
        found = photos.list_photos(session, tenant_id, library_id, wanted, limit=PER_PAGE + 1, after=after)
    more = after_number(int(found[PER_PAGE - 1]["id"])) if len(found) > PER_PAGE else None
    return Gallery(list(found[:PER_PAGE]), more)


def _seen(tenant_id: str, library_id: str, wish: Wish) -> Gallery:
    offset = read_offset(wish.cursor)
    try:
        found = services().search.search(tenant_id, library_id, wish.words, limit=PER_PAGE + 1, offset=offset)
    except NotFound:
        raise
    except TaglineError as error:
        return Gallery([], trouble=error.message)
    more = from_offset(offset + PER_PAGE) if len(found) > PER_PAGE else None
    return Gallery(list(found[:PER_PAGE]), more)


def _clean(text: str) -> str:
    return " ".join(UNSTORABLE.sub(" ", text).split())[: min(MOST_LETTERS, MAX_QUERY)]
