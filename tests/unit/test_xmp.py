"""Sidecars of other programs are read as they mean them, and written so that only what is ours changes."""

from __future__ import annotations

import codecs
import subprocess
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RequestError, TaglineError
from libraries.xmp.label_checks import MAX_LABELS, check_caption, check_labels
from libraries.xmp.packet import MAX_BYTES, SidecarError
from libraries.xmp.sidecar_fields import SidecarFields, Written, read_sidecar
from libraries.xmp.sidecar_merge import Merged, Wanted, merge_sidecar
from libraries.xmp.three_way import merge_labels, merge_text
from tests.support.xmp_readers import all_else, needs_exiftool, seen_by_elementtree, seen_by_exiftool

FOLDER = Path(__file__).resolve().parents[1] / "data" / "sidecars"
FIXTURES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.xmp"))}
WANTED = Wanted(
    labels=("dog", "R&D <lab>", "日本"),
    people=("Ada’s birthday",),
    parents={"dog": "animal|mammal"},
    description='A dog & a "cat" < 3',
    model="tag-open@1.0.0",
    description_model="caption@2",
    run="run-1",
)
LABELS = ("Ada’s birthday", "dog", "R&D <lab>", "日本")


def code_of(data: bytes | None, wanted: Wanted = WANTED) -> str:
    with pytest.raises(TaglineError) as caught:
        read_sidecar(data) if data is not None else merge_sidecar(None, None, wanted)
    if data is not None:
        with pytest.raises(SidecarError, match=caught.value.code):
            merge_sidecar(data, None, wanted)
    return caught.value.code


# Reading


def test_what_other_programs_write_is_read() -> None:
    assert {name: read_sidecar(data) for name, data in FIXTURES.items()} == {
        "lightroom": SidecarFields(
            ("Holiday", "Côte d’Azur & sea"), "The old harbour", ("Places|France|Côte d’Azur & sea", "Holiday")
        ),
        "darktable": SidecarFields(
            ("Ann", "cr2", "darktable", "format", "people"), None, ("darktable|format|cr2", "people|Ann")
        ),
        "digikam": SidecarFields(("Hund",), "Ein Hund", ("Tiere|Hund",)),
        "shorthand": SidecarFields(("one",), "a > b"),
    }


def rdf(inner: str, attributes: str = "") -> bytes:
    return (
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<r:Description r:about=""{attributes}>{inner}</r:Description></r:RDF>'
    ).encode()


FORMS = {
    "<dc:subject><r:Bag><r:li>a</r:li><r:li> b </r:li></r:Bag></dc:subject>": ("a", "b"),
    "<dc:subject><r:Seq><r:_1>a</r:_1><r:_2>b</r:_2></r:Seq></dc:subject>": ("a", "b"),
    "<dc:subject>a</dc:subject><dc:subject>b</dc:subject>": ("a", "b"),
    "<dc:subject><r:Bag><r:li>a</r:li><r:li>a</r:li><r:li/><r:li>b</r:li></r:Bag></dc:subject>": ("a", "b"),
    "<dc:subject><r:Bag><r:li><![CDATA[a]]></r:li><r:li><!-- no -->b</r:li></r:Bag></dc:subject>": ("a", "b"),
    '<dc:subject><r:Bag><r:li r:parseType="Resource"><r:value>a</r:value><dc:type>x</dc:type></r:li>'
    "<r:li><r:Description><r:value>b</r:value></r:Description></r:li></r:Bag></dc:subject>": ("a", "b"),
    '<dc:subject><r:Bag><r:li r:resource="a"/><r:li><r:Description r:value="b"/></r:li></r:Bag></dc:subject>': (
        "a",
        "b",
    ),
    "<dc:subject/>": (),
    "<dc:subject><r:Bag/></dc:subject>": (),
    # Not the photo's: a subject within another property
    "<dc:relation><r:Description><dc:subject>no</dc:subject></r:Description></dc:relation>": (),
}


@pytest.mark.parametrize("inner", FORMS)
def test_every_form_of_rdf_is_read_and_can_be_changed(inner: str) -> None:
    data = rdf(inner)
    labels = FORMS[inner]
    assert read_sidecar(data).labels == labels
    changed = merge_sidecar(data, Written(labels=labels[:1]), Wanted(labels=("new",))).data
    assert read_sidecar(changed).labels == (*labels[1:], "new")
    assert all_else(changed) == all_else(data)


GERMAN = '<r:li xml:lang="de">d</r:li>'


@pytest.mark.parametrize(
    ("inner", "description"),
    [
        ("<dc:description>plain</dc:description>", "plain"),
        (f'<dc:description><r:Alt>{GERMAN}<r:li xml:lang="x-default">x</r:li></r:Alt></dc:description>', "x"),
        ('<dc:description><r:Alt><r:li xml:lang="X-Default"> x </r:li></r:Alt></dc:description>', "x"),
        (f"<dc:description><r:Alt>{GERMAN}</r:Alt></dc:description>", "d"),
        ("<dc:description><r:Alt><r:li>no language</r:li></r:Alt></dc:description>", "no language"),
        ("<dc:description/>", None),
        ("<dc:description><r:Alt/></dc:description>", None),
        ("<dc:description><r:Alt><r:li xml:lang='x-default'/></r:Alt></dc:description>", None),
    ],
)
def test_every_form_of_a_description_is_read_and_can_be_changed(inner: str, description: str | None) -> None:
    data = rdf(inner)
    assert read_sidecar(data).description == description
    changed = merge_sidecar(data, Written(description=description), Wanted(description="new\nline")).data
    assert seen_by_elementtree(changed).description == "new\nline" == read_sidecar(changed).description
    assert (GERMAN in inner) == (GERMAN.encode() in changed)
    gone = merge_sidecar(changed, Written(description="new\nline"), Wanted()).data
    assert seen_by_elementtree(gone).description is None


# Bad input


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<" + b" " * MAX_BYTES, "sidecar_too_large"),
        (b"not XML", "sidecar_broken"),
        (b"<a>", "sidecar_broken"),
        (b"<a><b></a></b>", "sidecar_broken"),
        (b"<x:a/>", "sidecar_broken"),
        (b"<a/>", "sidecar_broken"),
        (b"<a>&nbsp;</a>", "sidecar_broken"),
        (b"<a>\0</a>", "sidecar_broken"),
        (b"<a>\xff</a>", "sidecar_broken"),
        (b"<?xml version='1.0' encoding='EBCDIC-CP-BE'?><a/>", "sidecar_broken"),
        (codecs.BOM_UTF16_LE + b"<\0a", "sidecar_broken"),
        (codecs.BOM_UTF16_LE + b"<\0\0\xd8/\0>\0", "sidecar_broken"),
        (b"<a>" * 1000 + b"</a>" * 1000, "sidecar_broken"),
        (FIXTURES["lightroom"][:900], "sidecar_broken"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "sidecar_entities"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "sidecar_entities"),
        (b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1/"> %x;]><a/>', "sidecar_entities"),
        (b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><a>&b;</a>', "sidecar_entities"),
        (b"<!DOCTYPE a><a/>", "sidecar_entities"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"), "sidecar_entities"),
        (rdf("<dc:subject><r:Bag>" + "".join(f"<r:li>{n}</r:li>" for n in range(10_000)) + "</r:Bag></dc:subject>"),
         "sidecar_too_many_labels"),
        (rdf("<dc:subject><r:Bag>" + "<r:li/>" * 300_000 + "</r:Bag></dc:subject>"), "sidecar_too_many_labels"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_what_is_no_sidecar_is_refused_with_a_code(data: bytes, code: str) -> None:
    """Fails if an entity is resolved, or a broken file is taken for an empty one and written over."""
    assert code_of(data) == code


def test_a_large_sidecar_takes_little_memory() -> None:
    """Fails if the whole of a sidecar becomes a tree: its develop settings can be millions of elements."""
    points = "<r:li>1, 2</r:li>" * 50_000
    data = rdf(f"<dc:relation><r:Seq>{points}</r:Seq></dc:relation><dc:subject>a</dc:subject>")
    tracemalloc.start()
    try:
        assert read_sidecar(data).labels == ("a",)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(data)


@pytest.mark.parametrize(
    "label", ["", " ", "a\0b", "a\nb", "a\tb", "\x1b[31m", "\x85", "\ud800", "\uffff", "\u2028", "x" * 201]
)
def test_labels_that_no_sidecar_can_hold_are_refused(label: str) -> None:
    assert code_of(None, Wanted(labels=("good", label))) == "label_invalid"
    assert code_of(None, Wanted(people=(label,))) == "label_invalid"
    with pytest.raises(RequestError) as caught:
        check_labels(["good", label], "/add")
    assert caught.value.where == "/add/1"


def test_too_many_labels_and_unfit_captions_are_refused() -> None:
    labels = tuple(f"label {number}" for number in range(10_000))
    assert code_of(None, Wanted(labels=labels)) == "labels_too_many"
    merged = merge_sidecar(None, None, Wanted(labels=labels[:MAX_LABELS]))
    assert read_sidecar(merged.data).labels == labels[:MAX_LABELS]
    for text in ("a\0b", "\x08", "\ud800", "x" * 10_001):
        assert code_of(None, Wanted(description=text)) == "caption_invalid"
    check_caption("two\nlines\tand a tab")


# Writing


def written_to(name: str) -> tuple[bytes, Merged]:
    return FIXTURES[name], merge_sidecar(FIXTURES[name], None, WANTED)


@pytest.mark.parametrize("name", FIXTURES)
def test_all_else_survives_and_what_stood_there_stays(name: str) -> None:
    """Fails if a rating, a develop setting, a comment or a prefix is lost, or a person's label or words."""
    before, merged = written_to(name)
    assert merged.changed
    assert all_else(merged.data) == all_else(before)
    stood, now = read_sidecar(before), read_sidecar(merged.data)
    assert now.labels == (*stood.labels, *LABELS)
    assert now.paths == (*stood.paths, "animal|mammal|dog")
    assert now.description == (stood.description or WANTED.description)
    described = stood.description is None
    assert now.ours == merged.written == Written(
        labels=WANTED.labels, people=WANTED.people, paths=("animal|mammal|dog",), model="tag-open@1.0.0", run="run-1",
        description=WANTED.description if described else None, description_model="caption@2" if described else None,
    )  # fmt: skip
    seen = seen_by_elementtree(merged.data)
    assert (tuple(seen.labels), seen.description or stood.description, tuple(seen.paths)) == (
        now.labels, now.description, now.paths,
    )  # fmt: skip
    assert merged.labels.added == stood.labels


@pytest.mark.parametrize("name", FIXTURES)
def test_what_is_written_can_be_taken_back_to_the_last_byte(name: str) -> None:
    """But for the form of what was an attribute."""
    before, merged = written_to(name)
    again = merge_sidecar(merged.data, merged.written, replace(WANTED, run="run-2"))
    assert (again.changed, again.data) == (False, merged.data)
    back = merge_sidecar(merged.data, merged.written, Wanted())
    assert read_sidecar(back.data) == read_sidecar(before)
    if name != "shorthand":
        assert back.data == before


@pytest.mark.parametrize("name", ["lightroom", "darktable", "digikam"])  # it reads no RDF without prefixes
@needs_exiftool
def test_exiftool_reads_what_we_wrote(name: str, tmp_path: Path) -> None:
    before, merged = written_to(name)
    paths = tmp_path / "before.xmp", tmp_path / "after.xmp"
    for path, data in zip(paths, (before, merged.data), strict=True):
        path.write_bytes(data)
    (_, stood), (seen, found) = map(seen_by_exiftool, paths)
    now = read_sidecar(merged.data)
    assert (tuple(seen.labels), seen.description, tuple(seen.paths)) == (now.labels, now.description, now.paths)
    assert found["XMP-tagline:Model"] == "tag-open@1.0.0"
    assert found["XMP-tagline:Labels"] == list(WANTED.labels)

    def rest(all_found: dict[str, object]) -> dict[str, object]:
        ours = ("XMP-tagline:", "XMP-dc:Subject", "XMP-dc:Description", "XMP-lr:", "System:", "SourceFile")
        return {name: value for name, value in all_found.items() if not name.startswith(ours)}

    assert rest(found) == rest(stood)
    assert len(rest(stood)) > 3


@needs_exiftool
def test_exiftool_reads_a_new_sidecar_and_we_what_it_edits(tmp_path: Path) -> None:
    """The whole circle: written by us, changed by another program, compared with what we wrote."""
    path = tmp_path / "IMG_1.jpg.xmp"
    first = merge_sidecar(None, None, WANTED)
    path.write_bytes(first.data)
    seen, _ = seen_by_exiftool(path)
    assert (tuple(seen.labels), seen.description) == (LABELS, WANTED.description)
    edits = ["-XMP-dc:Subject-=dog", "-XMP-dc:Subject+=Rex", "-XMP-dc:Description=Rex, asleep", "-XMP-xmp:Rating=5"]
    subprocess.run(["exiftool", "-q", "-overwrite_original", *edits, str(path)], check=True)
    second = merge_sidecar(path.read_bytes(), first.written, replace(WANTED, description="Another dog", run="run-2"))
    assert (second.labels.added, second.labels.removed) == (("Rex",), ("dog",))
    assert (second.description.changed, second.description.text) == (True, "Rex, asleep")
    assert set(second.fields.labels) == {*LABELS, "Rex"} - {"dog"}
    path.write_bytes(second.data)
    seen, found = seen_by_exiftool(path)
    assert (set(seen.labels), seen.description) == (set(second.fields.labels), "Rex, asleep")
    assert found["XMP-xmp:Rating"] == 5
    # From the sidecar's own account alone, as after a loss of the database
    alone = merge_sidecar(path.read_bytes(), None, replace(WANTED, description="Another dog", run="run-2"))
    assert (alone.labels.added, alone.labels.removed, alone.changed) == (("Rex",), (), True)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_sidecar_stays_in_its_coding(codec: str, end: str) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": b""}.get(codec, b"")
    text = FIXTURES["digikam"].decode().replace("\n", end)
    if codec == "latin-1":
        text = '<?xml version="1.0" encoding="ISO-8859-1"?>' + text[text.index("?>") + 2 :]
    data = mark + text.encode(codec)
    merged = merge_sidecar(data, None, WANTED)
    assert read_sidecar(merged.data).labels == ("Hund", *LABELS)
    assert merged.data.startswith(data[:100])
    again = merged.data[len(mark) :].decode(codec)
    assert (end == "\n") == ("\r" not in again)
    assert "日本" in again or "&#26085;" in again
    assert merge_sidecar(merged.data, merged.written, Wanted()).data == data


def test_nothing_to_say_makes_no_sidecar() -> None:
    assert not merge_sidecar(None, None, Wanted(run="run-1", model="m@1")).changed
    assert not merge_sidecar(b"", None, Wanted()).changed
    assert merge_sidecar(b"", None, WANTED).data == merge_sidecar(None, None, WANTED).data
    assert not merge_sidecar(FIXTURES["lightroom"], None, Wanted(run="run-1")).changed


def test_a_sidecar_that_was_removed_says_nothing_of_its_labels() -> None:
    """Who removes the file has not taken away single labels."""
    merged = merge_sidecar(None, Written(labels=("dog",)), WANTED)
    assert (merged.labels.labels, merged.labels.removed) == (LABELS, ())


def test_a_sidecar_without_a_description_of_the_photo_gets_one() -> None:
    space = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    for empty in (
        f'<r:RDF xmlns:r="{space}"/>',
        f'<r:RDF xmlns:r="{space}">\n</r:RDF>',
        f'<RDF xmlns="{space}"></RDF>',
    ):
        merged = merge_sidecar(empty.encode(), None, WANTED)
        assert seen_by_elementtree(merged.data).labels == list(LABELS)
        assert read_sidecar(merged.data).ours == merged.written


# Three ways


def test_people_win() -> None:
    """What stands there and is not ours stays; what was ours and is gone does not come back."""
    merged = merge_labels(base=["cat", "dog", "tree"], theirs=["dog", "cat", "car"], mine=["Holiday", "tree", "Dog"])
    assert merged.labels == ("Holiday", "Dog", "car")
    assert (merged.ours, merged.added, merged.removed) == (("Dog", "car"), ("Holiday",), ("cat",))


def test_a_persons_label_is_never_ours() -> None:
    """Fails if a model that finds it too makes it ours: it would go with the model's opinion."""
    first = merge_labels(base=[], theirs=["dog"], mine=["Dog", "DOG"])
    assert (first.labels, first.ours) == (("Dog", "DOG"), ())
    assert merge_labels(base=first.ours, theirs=[], mine=first.labels).labels == ("Dog", "DOG")


LABEL = st.sampled_from(["a", "b", "c", "d", "A", "ä", "Ä"])
SOME = st.lists(LABEL, max_size=5, unique=True)


@given(SOME, SOME, SOME)
def test_merging_keeps_its_promises(base: list[str], theirs: list[str], mine: list[str]) -> None:
    merged = merge_labels(base, theirs, mine)
    same = {label: label.casefold() for label in ["a", "b", "c", "d", "A", "ä", "Ä"]}

    def keys(labels: object) -> set[str]:
        return {same[label] for label in labels}  # type: ignore[attr-defined]

    wrote, wanted, stands, now = map(keys, (base, theirs, mine, merged.labels))
    assert now == (wanted - (wrote - stands)) | (stands - wrote)
    assert keys(merged.ours) == wanted & now - (stands - wrote)
    assert [one for one in mine if one in merged.labels] == [one for one in merged.labels if one in mine]
    again = merge_labels(merged.ours, theirs, merged.labels)
    assert again.labels == merged.labels or keys(merged.removed) & wanted


@pytest.mark.parametrize(
    ("base", "theirs", "mine", "text", "ours", "changed"),
    [
        (None, "new", None, "new", True, False),
        ("old", "new", "old", "new", True, False),
        ("old", "new", " old\n", "new", True, False),
        ("old", None, "old", None, False, False),
        ("old", "new", "person's", "person's", False, True),
        ("old", "new", None, None, False, True),
        (None, "new", "person's", "person's", False, True),
        (None, None, None, None, False, False),
    ],
)
def test_a_text_is_its_persons(
    base: str | None, theirs: str | None, mine: str | None, text: str | None, ours: bool, changed: bool
) -> None:
    found = merge_text(base, theirs, mine)
    assert (found.text, found.ours, found.changed) == (text, ours, changed)
