from __future__ import annotations

from rulegen.core.deadline import ENDLESS, Deadline


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_it_passes_when_its_time_has_come() -> None:
    clock = Clock()
    deadline = Deadline(110, clock)
    assert not deadline.passed
    clock.time = 110
    assert deadline.passed and deadline.part(0.5).passed
    assert not ENDLESS.passed and ENDLESS.part(0.1) == ENDLESS


def test_what_one_leaves_unused_goes_to_the_others_alike() -> None:
    clock = Clock()
    shares = Deadline(130, clock).shares(3)
    assert next(shares).at == 110
    clock.time = 102
    assert next(shares).at == 116
    clock.time = 125
    assert next(shares).at == 130
    clock.time = 140
    assert [one.passed for one in Deadline(130, clock).shares(2)] == [True, True]
