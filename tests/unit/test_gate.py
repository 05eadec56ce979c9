"""The gate: sharers together, a suspect alone."""

from __future__ import annotations

import threading

from tests.support.waiting import until
from worker.chunk.gate import Gate


class Visitor(threading.Thread):
    """Passes the gate and stays inside until told to leave."""

    def __init__(self, gate: Gate, *, alone: bool) -> None:
        super().__init__(daemon=True)
        self._gate = gate
        self._alone = alone
        self.inside = threading.Event()
        self.leave = threading.Event()
        self.start()

    def run(self) -> None:
        if self._alone:
            done = self._gate.alone()
        else:
            while (shared := self._gate.share()) is None:
                assert self._gate.wait_open(30)
            done = shared
        self.inside.set()
        self.leave.wait(180)
        done()


def test_sharers_are_inside_together() -> None:
    gate = Gate()
    visitors = [Visitor(gate, alone=False) for _ in range(3)]
    assert all(visitor.inside.wait(180) for visitor in visitors)
    for visitor in visitors:
        visitor.leave.set()


def test_a_suspect_waits_for_all_and_lets_nobody_in_before() -> None:
    gate = Gate()
    first = Visitor(gate, alone=False)
    assert first.inside.wait(180)
    suspect = Visitor(gate, alone=True)
    until(lambda: gate._waiting_alone == 1, what="the suspect to wait")
    late = Visitor(gate, alone=False)
    assert not suspect.inside.is_set()
    first.leave.set()
    assert suspect.inside.wait(180)
    assert not late.inside.is_set()
    suspect.leave.set()
    assert late.inside.wait(180)
    late.leave.set()


def test_suspects_go_one_by_one() -> None:
    gate = Gate()
    one, other = Visitor(gate, alone=True), Visitor(gate, alone=True)
    until(lambda: one.inside.is_set() or other.inside.is_set(), what="one of them")
    assert one.inside.is_set() != other.inside.is_set()
    one.leave.set()
    other.leave.set()
    one.join(180)
    other.join(180)
    assert gate.open


def test_while_somebody_wants_to_be_alone_nobody_claims() -> None:
    gate = Gate()
    inside = gate.share()
    assert inside is not None
    suspect = Visitor(gate, alone=True)
    until(lambda: not gate.open, what="the suspect to wait")
    assert gate.share() is None
    assert not gate.wait_open(0.01)
    inside()
    assert suspect.inside.wait(180)
    suspect.leave.set()
    assert gate.wait_open(30)
