"""From a sidecar as it stands and what is to be written, to the sidecar as it shall be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.version import VERSION
from libraries.xmp import namespaces as names
from libraries.xmp.label_checks import check_caption, check_labels
from libraries.xmp.packet import Packet, broken, open_packet
from libraries.xmp.rdf_edit import Editor
from libraries.xmp.rdf_scan import scan
from libraries.xmp.sidecar_fields import SidecarFields, Written, fields_of, read_sidecar
from libraries.xmp.three_way import MergedLabels, MergedText, label_key, merge_labels, merge_text

_NEW = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Tagline {VERSION}">
 <rdf:RDF xmlns:rdf="{names.RDF}">
  <rdf:Description rdf:about=""
    xmlns:dc="{names.DC}"
    xmlns:lr="{names.LIGHTROOM}"
    xmlns:tagline="{names.TAGLINE}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be written beside a photo.

    Attributes:
        labels: a model's, best first.
        people: labels that people gave it in Tagline; they are not called a model's.
        parents: of labels that have one, the path down to the parent: {"dog": "animal|mammal"}.
        description: of a model or a person; None: none.
        model, description_model: NAME@VERSION; of the description None, if a person wrote it.
        run: its id.
    """

    labels: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    model: str | None = None
    description_model: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """A sidecar as it shall be.

    Attributes:
        data: its bytes.
        changed: they are others than those that stand there.
        fields: what it says.
        written: what of that is ours: the base of the next comparison.
        labels: what was brought together, and what others have added and removed since we wrote.
        description: likewise.
    """

    data: bytes
    changed: bool
    fields: SidecarFields
    written: Written
    labels: MergedLabels
    description: MergedText


def merge_sidecar(existing: bytes | None, base: Written | None, wanted: Wanted) -> Merged:
    """Bring a sidecar up to date. Labels, paths and the description are compared three ways; nothing else is touched.

    Args:
        existing: what stands there; None, or without a byte: nothing does. Then nobody has removed anything either.
        base: what we last wrote there; None: what the sidecar itself says of that.

    Raises:
        SidecarError: see `read_sidecar`.
        RequestError: `label_invalid`, `labels_too_many`, `caption_invalid`.
    """
    wanted = _checked(wanted)
    there = existing if existing and existing.strip() else None
    packet = open_packet(there) if there else Packet(_NEW.encode())
    stands = fields_of(scan(packet.xml))
    ours = (base or stands.ours or Written()) if there else Written()
    labels = merge_labels((*ours.labels, *ours.people), (*wanted.people, *wanted.labels), stands.labels)
    given = {label_key(label) for label in labels.ours}
    our_paths = ours.paths or (stands.ours or ours).paths  # which not every base has
    paths = merge_labels(
        our_paths, [_path(wanted, label) for label in wanted.parents if label_key(label) in given], stands.paths
    )
    description = merge_text(ours.description, wanted.description, stands.description)
    written = _written(wanted, labels, paths, description)
    wanted_fields = SidecarFields(labels.labels, description.text, paths.labels, written)
    xml = _edited(packet.xml, stands, wanted_fields)
    data = packet.encoded(xml)
    _check(data, wanted_fields)
    nothing = there is None and wanted_fields == SidecarFields(ours=Written())
    return Merged(data, not nothing and data != existing, wanted_fields, written, labels, description)


def _checked(wanted: Wanted) -> Wanted:
    """The same without white space around labels and description.

    Raises:
        RequestError: see `merge_sidecar`.
    """
    check_labels([*wanted.labels, *wanted.people])
    check_labels([_path(wanted, label) for label in wanted.parents])
    check_caption(wanted.description or "")
    return replace(
        wanted,
        labels=tuple(label.strip() for label in wanted.labels),
        people=tuple(label.strip() for label in wanted.people),
        parents={label.strip(): parent.strip() for label, parent in wanted.parents.items()},
        description=(wanted.description or "").strip() or None,
    )


def _path(wanted: Wanted, label: str) -> str:
    return f"{wanted.parents[label]}|{label}"


def _written(wanted: Wanted, labels: MergedLabels, paths: MergedLabels, description: MergedText) -> Written:
    people = {label_key(label) for label in wanted.people}
    of_models = tuple(label for label in labels.ours if label_key(label) not in people)
    return Written(
        labels=of_models,
        people=tuple(label for label in labels.ours if label_key(label) in people),
        paths=paths.ours,
        description=description.text if description.ours else None,
        model=wanted.model if of_models else None,
        description_model=wanted.description_model if description.ours else None,
        run=wanted.run if labels.ours or description.ours else None,
    )


def _edited(xml: bytes, stands: SidecarFields, wanted: SidecarFields) -> bytes:
    editor = Editor(xml, scan(xml))
    if wanted.labels != stands.labels:
        editor.set_labels(names.SUBJECT, wanted.labels)
    if wanted.description != stands.description:
        editor.set_description(wanted.description)
    if wanted.paths != stands.paths:
        editor.set_labels(names.HIERARCHY, wanted.paths)
    if _but_run(wanted.ours) != _but_run(stands.ours):
        _set_ours(editor, wanted.ours or Written())
    return editor.result()


def _but_run(ours: Written | None) -> tuple[object, ...]:
    """What is ours without the run: one that changes nothing else writes nothing."""
    found = ours or Written()
    return found.labels, found.people, found.paths, found.description, found.model, found.description_model


def _set_ours(editor: Editor, ours: Written) -> None:
    editor.remove_ours()
    editor.add_list(names.OUR_LABELS, ours.labels)
    editor.add_list(names.OUR_PEOPLE, ours.people)
    editor.add_list(names.OUR_PATHS, ours.paths)
    editor.add_text(names.OUR_DESCRIPTION, ours.description)
    editor.add_text(names.OUR_MODEL, ours.model)
    editor.add_text(names.OUR_CAPTION_MODEL, ours.description_model)
    editor.add_text(names.OUR_RUN, ours.run)


def _check(data: bytes, wanted: SidecarFields) -> None:
    """Make sure that what was written says what it should; else it is not written at all."""
    found = read_sidecar(data)
    same = (set(found.labels), set(found.paths), _but_run(found.ours)) == (
        set(wanted.labels), set(wanted.paths), _but_run(wanted.ours),
    )  # fmt: skip
    # Without one in the default language, another language's is read.
    if not same or (wanted.description is not None and found.description != wanted.description):
        raise broken("it holds labels in a form that cannot be changed")
