"""Values out of many JSON texts that look alike, without parsing each: all results of a job have a few shapes.

A text is cut at its scalars; what remains is its shape. The first text of a shape is read properly, with marks in the
place of its scalars, and shows where each of them ends up; those that follow are filled in. What is not certain to come
out the same is read properly every time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

# Of members of objects, numbers and strings. A string is taken as a whole, so nothing is found within one.
_SCALAR = re.compile(r': ("[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*)')
_SIGN = "@@"  # no shape that is filled in has it
_MARK = f"{_SIGN}{{}}{_SIGN}"
_MARKED = re.compile(f'"{_SIGN}([0-9]+){_SIGN}"')
_NAME = re.compile(r"\w+", re.ASCII)
ROOM = 2_000_000  # characters of shapes that are kept; whatever looks different then is read properly

Read = Callable[[Any], Sequence[Any]]


@dataclass(slots=True)
class _Plan:
    """How the values of a shape are filled in. A text's scalars are at the odd places of what it is cut into."""

    fixed: list[str] = field(default_factory=list)  # as it stands, where nothing is filled in
    scalars: list[tuple[int, int]] = field(default_factory=list)  # to this place, from that one
    forms: list[tuple[int, str, Callable[[Sequence[str]], Any]]] = field(default_factory=list)
    wholes: list[int] = field(default_factory=list)  # here the text stands as it is


class ShapedReader:
    """Reads the same values out of each text.

    Args:
        read: what is wanted of a parsed text: scalars as they are, or parts of it as JSON. What it takes goes by names
            and by what is there, not by what a scalar says.
        show: writes a value. A number is taken over as it stands, unless it is part of what was read properly.
        odd: a text with this in it is read properly.
    """

    def __init__(self, read: Read, show: Callable[[Any], str], *, odd: str) -> None:
        self._read = read
        self._show = show
        self._odd = odd
        self._plans: dict[str, _Plan | None] = {}
        self._room = ROOM

    def texts(self, text: str) -> list[str]:
        """`show` of each value that `read` gives for `json.loads(text)`."""
        if self._odd in text:
            return self._properly(text)
        parts = _SCALAR.split(text)
        shape = "\n".join(parts[::2])
        try:
            plan = self._plans[shape]
        except KeyError:
            plan = self._learn(shape, parts[::2])
        return self._properly(text) if plan is None else self._filled(plan, text, parts)

    def _properly(self, text: str) -> list[str]:
        return [self._show(value) for value in self._read(json.loads(text))]

    def _filled(self, plan: _Plan, text: str, parts: Sequence[str]) -> list[str]:
        show, found = self._show, plan.fixed.copy()
        for place, at in plan.scalars:
            scalar = parts[at]
            if scalar[0] == '"':
                scalar = show(json.loads(scalar) if "\\" in scalar else scalar[1:-1])
            found[place] = scalar
        for place in plan.wholes:
            found[place] = show(text)
        for place, form, pick in plan.forms:
            found[place] = show(form % pick(parts))
        return found

    def _learn(self, shape: str, around: Sequence[str]) -> _Plan | None:
        """How to fill in a shape; None if that is not certain to be right, or no more are kept."""
        if len(shape) > self._room:
            return None
        self._room -= len(shape)
        marked = around[0] + "".join(f': "{_MARK.format(at)}"{rest}' for at, rest in enumerate(around[1:]))
        plan = None
        try:
            document = json.loads(marked)
            if _SIGN not in shape and _plain(document):
                plan = self._planned(self._read(document), marked)
        except (ValueError, TypeError, AttributeError, LookupError):
            pass
        self._plans[shape] = plan
        return plan

    def _planned(self, values: Sequence[Any], marked: str) -> _Plan:
        """From the values that were read of a marked text.

        Raises:
            ValueError: one is neither a scalar nor made of whole ones.
        """
        plan = _Plan()
        for place, value in enumerate(values):
            if isinstance(value, dict | list):
                raise ValueError(value)
            fixed = not isinstance(value, str) or _SIGN not in value
            plan.fixed.append(self._show(value) if fixed else "")
            if fixed:
                continue
            alone = _MARKED.fullmatch(f'"{value}"')
            if alone is not None:
                plan.scalars.append((place, 2 * int(alone[1]) + 1))
            elif value == marked:
                plan.wholes.append(place)
            else:
                plan.forms.append((place, *_form(value)))
        return plan


def _form(value: str) -> tuple[str, Callable[[Sequence[str]], Any]]:
    """JSON with marks as a form to fill in, and what picks that out of the parts of a text."""
    pieces = _MARKED.split(value)
    if any(_SIGN in piece for piece in pieces):
        raise ValueError(value)
    form = "%s".join(piece.replace("%", "%%") for piece in pieces[::2])
    return form, itemgetter(*(2 * int(at) + 1 for at in pieces[1::2]))


def _plain(document: Any) -> bool:
    """Whether names are words, so that no mark can be within one."""
    if isinstance(document, dict):
        return all(_NAME.fullmatch(name) and _plain(value) for name, value in document.items())
    return not isinstance(document, list) or all(_plain(value) for value in document)
