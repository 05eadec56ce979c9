"""What a sidecar says of its photo's labels and description, in whichever of RDF's forms its writer has put it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from libraries.xmp.label_checks import MAX_LABELS
from libraries.xmp.namespaces import (
    DESCRIPTION,
    HIERARCHY,
    OUR_CAPTION_MODEL,
    OUR_DESCRIPTION,
    OUR_LABELS,
    OUR_MODEL,
    OUR_PATHS,
    OUR_PEOPLE,
    OUR_RUN,
    RDF,
    XML,
    Name,
)
from libraries.xmp.namespaces import SUBJECT as LABELS
from libraries.xmp.packet import SidecarError, open_packet
from libraries.xmp.rdf_scan import Node, Scan, scan

_CONTAINERS = ((RDF, "Bag"), (RDF, "Seq"), (RDF, "Alt"))
_VALUE, _RESOURCE, _LANGUAGE = (RDF, "value"), (RDF, "resource"), (XML, "lang")
DEFAULT_LANGUAGE = "x-default"


@dataclass(frozen=True, slots=True)
class Written:
    """What Tagline wrote into a sidecar: the base of the next comparison.

    Attributes:
        labels: a model's, and of these alone the model and the run are said.
        people: labels that people gave in Tagline.
        paths: of labels with parents, like animal|dog.
        description: None: none.
    """

    labels: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    description: str | None = None
    model: str | None = None
    description_model: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class SidecarFields:
    """What stands in a sidecar.

    Attributes:
        labels: dc:subject, in order, each once.
        description: dc:description in its default language; None: none.
        paths: lr:hierarchicalSubject.
        ours: what of it is ours, by its own account; None: it has no word of Tagline.
    """

    labels: tuple[str, ...] = ()
    description: str | None = None
    paths: tuple[str, ...] = ()
    ours: Written | None = None


def read_sidecar(data: bytes) -> SidecarFields:
    """What a sidecar says; one without a byte says nothing.

    Raises:
        SidecarError: `sidecar_too_large`, `sidecar_broken`, `sidecar_entities`, `sidecar_too_many_labels`.
    """
    return fields_of(scan(open_packet(data).xml)) if data.strip() else SidecarFields()


def fields_of(found: Scan) -> SidecarFields:
    """What the properties of a sidecar say; raises as `read_sidecar`."""
    ours = Written(
        labels=_texts(found, OUR_LABELS),
        people=_texts(found, OUR_PEOPLE),
        paths=_texts(found, OUR_PATHS),
        description=_text(found, OUR_DESCRIPTION),
        model=_text(found, OUR_MODEL),
        description_model=_text(found, OUR_CAPTION_MODEL),
        run=_text(found, OUR_RUN),
    )
    return SidecarFields(
        labels=_texts(found, LABELS),
        description=_text(found, DESCRIPTION),
        paths=_texts(found, HIERARCHY),
        ours=ours if ours != Written() else None,
    )


def container_of(node: Node) -> Node | None:
    """The rdf:Bag, rdf:Seq or rdf:Alt of a property; None where its value stands there itself."""
    return next((child for child in node.children if child.name in _CONTAINERS), None)


def members_of(container: Node) -> list[Node]:
    """The members of a container: rdf:li, or rdf:_1 and so on."""
    return [one for one in container.children if one.name[0] == RDF and (one.name[1] == "li" or one.name[1][:1] == "_")]


def value_of(node: Node) -> str:
    """The text of a property or a member, without white space around it; with qualifiers, that of rdf:value."""
    if _RESOURCE in node.attributes:
        return node.attributes[_RESOURCE].strip()
    for inner in (node, *node.children):
        if _VALUE in inner.attributes:
            return inner.attributes[_VALUE].strip()
        for child in inner.children:
            if child.name == _VALUE:
                return child.text.strip()
    return node.text.strip()


def default_member(container: Node) -> Node | None:
    """The member in the default language, else the first."""
    members = members_of(container)
    default = (one for one in members if one.attributes.get(_LANGUAGE, "").lower() == DEFAULT_LANGUAGE)
    return next(default, members[0] if members else None)


def is_default(member: Node) -> bool:
    """Whether a member is the one for every language: it says so, or says nothing of a language."""
    return member.attributes.get(_LANGUAGE, DEFAULT_LANGUAGE).lower() == DEFAULT_LANGUAGE


def _values(found: Scan, name: Name) -> Iterator[str]:
    for node in found.properties(name):
        container = container_of(node)
        yield from map(value_of, members_of(container) if container else [node])
    for description in found.shorthands(name):
        yield description.attributes[name].strip()


def _texts(found: Scan, name: Name) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(value for value in _values(found, name) if value))
    if len(values) > MAX_LABELS:
        raise SidecarError("sidecar_too_many_labels", f"the sidecar has more than {MAX_LABELS:,} labels")
    return values


def _text(found: Scan, name: Name) -> str | None:
    for node in found.properties(name):
        container = container_of(node)
        chosen = default_member(container) if container else node
        if chosen is not None and value_of(chosen):
            return value_of(chosen)
    return next((one.attributes[name].strip() for one in found.shorthands(name) if one.attributes[name].strip()), None)
