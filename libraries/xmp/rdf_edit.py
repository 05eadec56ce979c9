"""Changing single properties of a sidecar in place: every byte that is not theirs stays as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from libraries.xmp.namespaces import DESCRIPTION, TAGLINE, XML, Name
from libraries.xmp.packet import broken
from libraries.xmp.rdf_scan import Node, Scan, Scope
from libraries.xmp.rdf_text import Writer, text
from libraries.xmp.sidecar_fields import DEFAULT_LANGUAGE, container_of, is_default, members_of, value_of

_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_NAME = re.compile(rb"<([^\s/>]+)")
_SPACE = b" \t\r\n"


class Editor:
    """Collects changes to a sidecar, and makes them all at once.

    Args:
        xml: in UTF-8.
        found: what `scan` has found in it.
    """

    def __init__(self, xml: bytes, found: Scan) -> None:
        self._xml = xml
        self._found = found
        self._cuts: list[tuple[int, int, bytes]] = []  # from, to, what stands there instead
        self._added: list[str] = []
        self._home = found.descriptions[0] if found.descriptions else None
        self._within = self._writer(self._home, self._home.scope if self._home else found.rdf.scope)

    def set_labels(self, name: Name, wanted: Sequence[str]) -> None:
        """Let a property hold these texts. Members that stay are not touched, nor what is said of them."""
        missing = list(wanted)
        home: Node | None = None
        for node in self._found.properties(name):
            container = container_of(node)
            if container is None or container.is_empty_tag or not wanted:
                self._remove(node)
                continue
            home = home or container
            for member in members_of(container):
                value = value_of(member)
                if value in wanted:
                    missing = [one for one in missing if one != value]
                else:
                    self._remove(member)
        self._remove_shorthands(name)
        if home is not None and missing:
            self._add_members(home, missing)
        elif missing:
            self._added.append(self._within.listed(name, "Bag", missing))

    def set_description(self, wanted: str | None) -> None:
        """Let the description in the default language be this; those in other languages are not touched."""
        done = wanted is None
        for node in self._found.properties(DESCRIPTION):
            container = container_of(node)
            others = [one for one in members_of(container) if not is_default(one)] if container else []
            if container is None or container.is_empty_tag or (done and not others):
                self._remove(node)
                continue
            for member in members_of(container):
                if is_default(member) and done:
                    self._remove(member)
                elif is_default(member):
                    done = True
                    self._replace_text(member, wanted or "")
            if not done:
                done = True
                line = self._line(members_of(container)[0].start) if others else ""
                new = line + Writer(container.scope, "").member(wanted or "", DEFAULT_LANGUAGE)
                self._cut(container.inside, container.inside, new)
        self._remove_shorthands(DESCRIPTION)
        if not done:
            self._added.append(self._within.listed(DESCRIPTION, "Alt", [wanted or ""], DEFAULT_LANGUAGE))

    def remove_ours(self) -> None:
        """Take away all that is in our namespace."""
        for description in self._found.descriptions:
            for child in description.children:
                if child.name[0] == TAGLINE:
                    self._remove(child)
            for name in description.attributes:
                if name[0] == TAGLINE:
                    self._remove_attribute(description, name)

    def add_list(self, name: Name, values: Sequence[str]) -> None:
        """Add a property that holds these texts, if there are any."""
        if values:
            self._added.append(self._within.listed(name, "Bag", values))

    def add_text(self, name: Name, value: str | None) -> None:
        """Add a property that is this text, if it is one."""
        if value:
            self._added.append(self._within.simple(name, value))

    def result(self) -> bytes:
        """The XML with all changes."""
        if self._added:
            inner = "".join(self._added)
            if self._home is not None:
                self._append(self._home, inner)
            else:
                self._append(self._found.rdf, self._writer_of_rdf().description(inner))
        out, done = [], 0
        for start, end, instead in sorted(self._cuts, key=lambda cut: cut[:2]):
            if start < done:
                raise broken("its properties stand within each other")
            out += [self._xml[done:start], instead]
            done = end
        return b"".join([*out, self._xml[done:]])

    # Places

    def _writer(self, home: Node | None, scope: Scope) -> Writer:
        line = self._line(home.start) if home else self._line(self._found.rdf.start)
        return Writer(scope, line and line + " " * (1 if home else 2))

    def _writer_of_rdf(self) -> Writer:
        line = self._line(self._found.rdf.start)
        return Writer(self._found.rdf.scope, line and line + " ")

    def _line(self, start: int) -> str:
        """The line break and the spaces before a tag; empty if it does not begin its line."""
        begin = self._space_before(start)
        space = self._xml[begin:start]
        at = space.rfind(b"\n")
        if at < 0:
            return ""
        return space[at - 1 if space[at - 1 : at] == b"\r" else at :].decode()

    def _space_before(self, at: int) -> int:
        while at > 0 and self._xml[at - 1] in _SPACE:
            at -= 1
        return at

    # Changes

    def _cut(self, start: int, end: int, instead: str = "") -> None:
        self._cuts.append((start, end, instead.encode("utf-8")))

    def _remove(self, node: Node) -> None:
        self._cut(self._space_before(node.start), node.end)

    def _remove_shorthands(self, name: Name) -> None:
        for description in self._found.shorthands(name):
            self._remove_attribute(description, name)

    def _remove_attribute(self, node: Node, name: Name) -> None:
        for match in _ATTRIBUTE.finditer(self._xml, node.start, node.inside):
            prefix, _, local = match[1].decode().rpartition(":")
            if prefix and (node.scope.get(prefix, ""), local) == name:
                self._cut(match.start(), match.end())

    def _add_members(self, container: Node, values: Sequence[str]) -> None:
        members = members_of(container)
        line = self._line(members[0].start) if members else ""
        writer = Writer(container.scope, "")
        at = self._space_before(container.outside)
        self._cut(at, at, "".join(line + writer.member(value) for value in values))

    def _replace_text(self, member: Node, wanted: str) -> None:
        if member.is_empty_tag or member.children or (XML, "lang") not in member.attributes:
            self._cut(member.start, member.end, Writer(member.scope, "").member(wanted, DEFAULT_LANGUAGE))
        else:
            self._cut(member.inside, member.outside, text(wanted))

    def _append(self, node: Node, inner: str) -> None:
        """Put something at the end of what an element holds."""
        if not node.is_empty_tag:
            at = self._space_before(node.outside)
            self._cut(max(at, node.inside), max(at, node.inside), inner)
            return
        match = _NAME.match(self._xml, node.start)
        assert match is not None
        self._cut(node.inside - 2, node.inside, f">{inner}{self._line(node.start)}</{match[1].decode()}>")
