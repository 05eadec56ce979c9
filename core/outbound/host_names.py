"""Host names in their one spelling, international ones as browsers read them (UTS 46, not transitional).

Source: the WHATWG URL standard's "domain to ASCII" with beStrict false: mapped by UTS 46, joiners and writing
directions checked, and everything else allowed that UTS 46 allows. `idna.encode` would be stricter (IDNA 2008: no
emoji), and Python's own codec is of 2003.
"""

from __future__ import annotations

import unicodedata

import idna

_PREFIX = "xn--"
_JOINERS = "\u200c\u200d"


def ascii_name(text: str) -> str:
    """A host name in lower case and ASCII: labels in other scripts become `xn--...`.

    What is ASCII already is looked at no closer: whether it can be a host name is for the caller to say.

    Raises:
        ValueError: the name is not a valid international name.
    """
    if text.isascii() and _PREFIX not in text.lower():
        return text.lower()
    labels = idna.uts46_remap(text, std3_rules=False).split(".")
    shown = [_shown(label) for label in labels]
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for label in shown for character in label):
        for label in filter(None, shown):
            idna.check_bidi(label, check_ltr=True)
    return ".".join(label if label.isascii() else _PREFIX + label.encode("punycode").decode("ascii") for label in shown)


def _shown(label: str) -> str:
    """A label as people read it, checked; an `xn--` label must be what encoding its text gives."""
    if label.startswith(_PREFIX):
        text = label[len(_PREFIX) :].encode("ascii").decode("punycode")
        if text.isascii() or idna.uts46_remap(text, std3_rules=False) != text or "." in text:
            raise ValueError(f"{label} is not an encoded name")
        label = text
    if label and unicodedata.category(label[0]).startswith("M"):
        raise ValueError("a name cannot begin with a combining mark")
    for place, character in enumerate(label):
        if character in _JOINERS and not idna.valid_contextj(label, place):
            raise ValueError("a joiner stands where it joins nothing")
    return label
