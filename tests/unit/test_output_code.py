"""A label counts from its shown score on, whichever way it is counted."""

from __future__ import annotations

from collections import Counter

import pytest

from db.output_code import count_labels_in, decode, encode_numbers, numbers_in, unpack_numbers


@pytest.mark.parametrize("least", [0.0, 0.3, 0.5, 0.7, 0.700001, 0.70000001, 0.9])
def test_a_label_counts_where_the_score_that_is_shown_reaches_it(least: float) -> None:
    """Fails if a body that is decoded, one that is read alone and many that are counted together would differ: .7 is a
    little less as it lies there."""
    scores = ([0.9, 0.7, 0.3], [0.7, 0.5, 0.3], [0.700001, 0.3, 0])
    bodies = [encode_numbers([5, 6, 7], some, {}) for some in scores]
    sure = []
    for body in bodies:
        output = decode(body)
        sure.append(tuple(n for n, score in zip(output.numbers, output.scores, strict=True) if score >= least))
    assert [unpack_numbers(numbers_in(body, least)) for body in bodies] == sure
    assert count_labels_in(bodies, least) == Counter(number for some in sure for number in some)
