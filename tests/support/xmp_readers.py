"""Sidecars as others read them: Python's ElementTree, and ExifTool where it is installed (Debian:
libimage-exiftool-perl)."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
DC = "{http://purl.org/dc/elements/1.1/}"
LR = "{http://ns.adobe.com/lightroom/1.0/}"
OURS = "{urn:tagline:xmp:1/}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
MANAGED = (f"{DC}subject", f"{DC}description", f"{LR}hierarchicalSubject")
EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(
    EXIFTOOL is None, reason="SIDECARS ARE NOT READ BACK: exiftool is missing (apt install libimage-exiftool-perl)"
)


@dataclass(frozen=True)
class Seen:
    """What another program sees."""

    labels: list[str]
    description: str | None
    paths: list[str]


def tree_of(data: bytes) -> ElementTree.Element:
    builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
    return ElementTree.fromstring(data, ElementTree.XMLParser(target=builder))


def seen_by_elementtree(data: bytes) -> Seen:
    root = tree_of(data)

    def texts(name: str) -> list[str]:
        return [one.text or "" for node in root.iter(name) for one in node.iter(f"{RDF}li")]

    described = [one for node in root.iter(f"{DC}description") for one in node.iter(f"{RDF}li")]
    default = [one.text for one in described if one.get(LANG, "").lower() == "x-default"]
    return Seen(texts(f"{DC}subject"), default[0] if default else None, texts(f"{LR}hierarchicalSubject"))


def seen_by_exiftool(path: Path) -> tuple[Seen, dict[str, Any]]:
    """What ExifTool sees, and all that it found."""
    assert EXIFTOOL
    done = subprocess.run(
        [EXIFTOOL, "-json", "-struct", "-G1", "-a", "-U", "-charset", "filename=utf8", str(path)],
        capture_output=True,
        check=True,
    )
    assert b"Warning" not in done.stderr
    [found] = json.loads(done.stdout)

    def texts(name: str) -> list[str]:
        value = found.get(name, [])
        return [str(one) for one in (value if isinstance(value, list) else [value])]

    description = found.get("XMP-dc:Description")
    return Seen(texts("XMP-dc:Subject"), description, texts("XMP-lr:HierarchicalSubject")), found


def all_else(data: bytes) -> str:
    """A sidecar without the properties that Tagline writes, in XML's canonical form: comments, other namespaces, the
    order of elements and the spelling of prefixes included; line breaks between elements are not."""
    root = tree_of(data)
    for description in root.iter(f"{RDF}Description"):
        for child in list(description):
            if isinstance(child.tag, str) and (child.tag in MANAGED or child.tag.startswith(OURS)):
                description.remove(child)
        for name in list(description.attrib):
            if name in MANAGED or name.startswith(OURS):
                del description.attrib[name]
    for node in root.iter():
        node.text = (node.text or "").strip() or None
        node.tail = None
    return ElementTree.tostring(root, encoding="unicode")
