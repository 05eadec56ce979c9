"""Finding the properties of a sidecar, each with its place in the bytes, so that it can be changed without the rest.

Only what is read here is kept in memory. A document type is refused before anything of it is looked at: XMP has none,
and it is what entities that grow without end, or name other files, are declared in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from libraries.xmp.namespaces import RDF, Name, is_of_interest
from libraries.xmp.packet import SidecarError, broken

Scope = Mapping[str, str]  # namespaces by prefix
_DEEPEST = 500
_MOST_NODES = 20_000  # within the properties that are read
_TAG = re.compile(rb"""<[^\s/>]+(?:\s+[^\s=/>]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")
_RDF, _ABOUT_SUBJECT = (RDF, "RDF"), (RDF, "Description")


@dataclass(slots=True)
class Node:
    """An element, and where it stands.

    Attributes:
        start, inside: of its start tag, and where what it holds begins.
        outside, end: where that ends, and where the element does. Of an empty tag, all three are one.
        scope: the prefixes that are known in it.
        text: its own, without that of its children.
        children: kept where the properties are read; of RDF and its descriptions, those of interest.
    """

    name: Name
    start: int
    inside: int
    scope: Scope
    attributes: dict[Name, str]
    outside: int = 0
    end: int = 0
    text: str = ""
    children: list[Node] = field(default_factory=list)

    @property
    def is_empty_tag(self) -> bool:
        return self.inside == self.end


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in a sidecar.

    Attributes:
        rdf: the first rdf:RDF.
        descriptions: its top ones, in order; all of them are about the photo.
    """

    rdf: Node
    descriptions: list[Node]

    def properties(self, name: Name) -> list[Node]:
        """The elements of a property."""
        return [child for one in self.descriptions for child in one.children if child.name == name]

    def shorthands(self, name: Name) -> list[Node]:
        """The descriptions that have a property as an attribute."""
        return [one for one in self.descriptions if name in one.attributes]


def scan(xml: bytes) -> Scan:
    """Look through a sidecar's XML.

    Args:
        xml: in UTF-8.

    Raises:
        SidecarError: `sidecar_broken`, no XML or no RDF in it; `sidecar_entities`, it has a document type;
            `sidecar_too_many_labels`.
    """
    scanner = _Scanner(xml)
    try:
        scanner.run()
    except expat.ExpatError as error:
        raise broken(f"{expat.ErrorString(error.code)} at line {error.lineno}") from error
    if scanner.rdf is None:
        raise broken("there is no rdf:RDF in it")
    return Scan(scanner.rdf, scanner.descriptions)


class _Scanner:
    def __init__(self, xml: bytes) -> None:
        self.rdf: Node | None = None
        self.descriptions: list[Node] = []
        self._xml = xml
        self._stack: list[Node] = []
        self._declared: dict[str, str] = {}
        self._kept = 0  # how many of the stack's last are within a property of interest
        self._nodes = 0
        self._passing = 0  # how deep we are within a property that nobody reads
        self._parser = expat.ParserCreate("utf-8", " ")

    def run(self) -> None:
        parser = self._parser
        parser.namespace_prefixes = True
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(self._xml, True)

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._stack) + self._passing >= _DEEPEST:
            raise broken("its elements are nested too deeply")
        above = self._stack[-1] if self._stack else None
        if self._passing or self._passes(_name(name), above):
            self._passing += 1
            self._declared.clear()
            return
        at = self._parser.CurrentByteIndex
        tag = _TAG.match(self._xml, at)
        if tag is None:
            raise broken("a tag cannot be read")
        scope = above.scope if above else {"xml": "http://www.w3.org/XML/1998/namespace"}
        if self._declared:
            scope, self._declared = {**scope, **self._declared}, {}
        node = Node(_name(name), at, tag.end(), scope, {_name(one): value for one, value in attributes.items()})
        self._place(node, above)
        self._stack.append(node)

    def _passes(self, name: Name, above: Node | None) -> bool:
        """Whether an element is a property of the photo that nobody reads."""
        top = bool(self.descriptions) and above is self.descriptions[-1]
        return top and not self._kept and not is_of_interest(name)

    def _place(self, node: Node, above: Node | None) -> None:
        if self._kept:
            self._keep(node, above)
        elif self.rdf is None:
            self.rdf = node if node.name == _RDF else None
        elif above is self.rdf and node.name == _ABOUT_SUBJECT:
            self.descriptions.append(node)
        elif self.descriptions and above is self.descriptions[-1]:
            self._keep(node, above)

    def _keep(self, node: Node, above: Node | None) -> None:
        self._kept += 1
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise SidecarError("sidecar_too_many_labels", "the sidecar has more labels than are read")
        if above is not None:
            above.children.append(node)

    def _end(self, name: str) -> None:
        if self._passing:
            self._passing -= 1
            return
        node = self._stack.pop()
        at = self._parser.CurrentByteIndex
        if self._xml[node.inside - 2 : node.inside] == b"/>":
            node.outside = node.end = node.inside
        else:
            node.outside, node.end = at, self._xml.index(b">", at) + 1
        self._kept -= bool(self._kept)

    def _characters(self, text: str) -> None:
        if self._kept:
            self._stack[-1].text += text


def _refuse_doctype(*_: object) -> None:
    raise SidecarError(
        "sidecar_entities", "the sidecar declares a document type, in which entities could be; remove it"
    )


def _name(text: str) -> Name:
    """Namespace and local name of what expat gives: "uri local prefix", or "local" without a namespace."""
    parts = text.split(" ")
    return (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
