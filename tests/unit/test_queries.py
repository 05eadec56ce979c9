"""Lists of numbers in queries."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from api.http.queries import numbers_parameter


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("0,7,12,", [0, 7, 12]),
        ("1,2,3,4,5", [1, 2, 3, 4]),
        ("1,-2, 3,x,\u0664,1e3", [1]),
        ("999999999999999999,1000000000000000000", [999_999_999_999_999_999]),  # what a column of the database can hold
    ],
)
def test_a_list_of_numbers(text: str, numbers: list[int]) -> None:
    """Fails if what no page of ours writes becomes a number, or an error."""
    assert numbers_parameter(MultiDict({"some": text}), "some", 4) == numbers
