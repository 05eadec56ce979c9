"""The names that a sidecar's labels and description stand under, and those of our own namespace."""

from __future__ import annotations

from typing import Final

Name = tuple[str, str]  # namespace, local name

XML: Final = "http://www.w3.org/XML/1998/namespace"
RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC: Final = "http://purl.org/dc/elements/1.1/"
LIGHTROOM: Final = "http://ns.adobe.com/lightroom/1.0/"
TAGLINE: Final = "urn:tagline:xmp:1/"
PREFIXES: Final = {RDF: "rdf", DC: "dc", LIGHTROOM: "lr", TAGLINE: "tagline"}

SUBJECT: Final = (DC, "subject")
DESCRIPTION: Final = (DC, "description")
HIERARCHY: Final = (LIGHTROOM, "hierarchicalSubject")

# Ours: which of the labels, paths and words that stand there we wrote, by which model, in which run.
OUR_LABELS: Final = (TAGLINE, "labels")  # a model's
OUR_PEOPLE: Final = (TAGLINE, "people")  # labels that people gave in Tagline
OUR_PATHS: Final = (TAGLINE, "hierarchicalSubject")
OUR_DESCRIPTION: Final = (TAGLINE, "description")
OUR_MODEL: Final = (TAGLINE, "model")
OUR_CAPTION_MODEL: Final = (TAGLINE, "descriptionModel")
OUR_RUN: Final = (TAGLINE, "run")


def is_of_interest(name: Name) -> bool:
    """Whether a property is one that is read, and perhaps written, here."""
    return name in (SUBJECT, DESCRIPTION, HIERARCHY) or name[0] == TAGLINE
