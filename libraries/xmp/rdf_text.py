"""Writing properties as RDF, with whichever prefixes are known at their place."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from libraries.xmp.namespaces import PREFIXES, RDF, Name
from libraries.xmp.rdf_scan import Scope

_IN_TEXT = {"\r": "&#13;"}


class Writer:
    """Writes elements at one place.

    Args:
        scope: the prefixes that are known there.
        indent: what a line begins with there, its line break included; empty: all stands in one line.
    """

    def __init__(self, scope: Scope, indent: str) -> None:
        self._scope = scope
        self._indent = indent

    def listed(self, name: Name, container: str, values: Iterable[str], language: str = "") -> str:
        """A property with a container of texts, on lines of their own.

        Args:
            container: Bag, Seq or Alt.
            language: what each member says that it is in.
        """
        tag, declared = self._tag(name)
        rdf, more = self._tag((RDF, container))
        line = self._indent
        step = line and line + " "
        members = "".join(f"{step and step + ' '}{self.member(value, language)}" for value in values)
        return f"{line}<{tag}{declared}>{step}<{rdf}{more}>{members}{step}</{rdf}>{line}</{tag}>"

    def member(self, value: str, language: str = "") -> str:
        """A member of a container."""
        tag, declared = self._tag((RDF, "li"))
        spoken = f' xml:lang="{language}"' if language else ""
        return f"<{tag}{declared}{spoken}>{text(value)}</{tag}>"

    def simple(self, name: Name, value: str) -> str:
        """A property that is a text, on a line of its own."""
        tag, declared = self._tag(name)
        return f"{self._indent}<{tag}{declared}>{text(value)}</{tag}>"

    def description(self, inner: str) -> str:
        """A description of the photo, on a line of its own."""
        tag, declared = self._tag((RDF, "Description"), of_attributes=True)
        prefix = tag.partition(":")[0]
        return f'{self._indent}<{tag}{declared} {prefix}:about="">{inner}{self._indent}</{tag}>'

    def _tag(self, name: Name, *, of_attributes: bool = False) -> tuple[str, str]:
        """A name with its prefix, and the declaration that it needs."""
        uri, local = name
        known = [prefix for prefix, namespace in self._scope.items() if namespace == uri]
        for prefix in sorted(known, key=lambda one: (one != PREFIXES[uri], one == "")):
            if prefix:
                return f"{prefix}:{local}", ""
            if not of_attributes:
                return local, ""
        return f"{PREFIXES[uri]}:{local}", f' xmlns:{PREFIXES[uri]}="{uri}"'


def text(value: str) -> str:
    """A text as XML holds it."""
    return escape(value, _IN_TEXT)
