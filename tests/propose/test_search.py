from __future__ import annotations

from itertools import combinations

from proposing import choices, cluster, template

from rulegen.core.candidate import Slot
from rulegen.propose.search import MOST_PICKS, enumerate_proposals
from rulegen.templates import TEMPLATES


def filled(*slots: Slot, limit: int = 512) -> list[tuple[object, ...]]:
    found = list(enumerate_proposals(cluster(), (template(*slots),), limit))
    assert all(one.provenance.proposer == "search" and one.template == "probe" for one in found)
    return [tuple(value for _, value in one.slots.pairs) for one in found]


def test_every_combination_once_and_likeliest_first() -> None:
    found = filled(Slot("a", choices("1", "2", "3")), Slot("b", choices("x", "y")))
    assert found == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y"), ("3", "x"), ("3", "y")]


def test_a_limit_leaves_every_slot_varying() -> None:
    many = choices(*(f"t{i}" for i in range(30)))
    found = filled(Slot("a", many), Slot("b", many), limit=20)
    assert len(found) == 20
    assert min(len({a for a, _ in found}), len({b for _, b in found})) >= 5


def test_several_picks_few() -> None:
    found = filled(Slot("a", choices("x", "y", "z"), most=2))
    assert found == [(("x",),), (("x", "y"),), (("y",),), (("z",),), (("x", "z"),), (("y", "z"),)]


def test_several_picks_many() -> None:
    tokens = [f"v{i}" for i in range(40)]
    found = [one[0] for one in filled(Slot("a", choices(*tokens), most=5))]
    assert len(found) == len(set(found)) == MOST_PICKS
    assert set(found) >= {tuple(tokens[:size]) for size in range(1, 6)}  # the noisiest together
    assert set(found) >= {(token,) for token in tokens}  # each alone
    assert set(found) <= {picks for size in range(1, 6) for picks in combinations(tokens, size)}


def test_more_picks_allowed_than_there_are() -> None:
    assert filled(Slot("a", choices("x", "y"), most=9)) == [(("x",),), (("x", "y"),), (("y",),)]


def test_no_slots_is_one_proposal() -> None:
    assert filled() == [()]


def test_the_real_templates_in_a_fixed_order() -> None:
    first, second = (tuple(enumerate_proposals(cluster(), TEMPLATES)) for _ in range(2))
    assert first == second and len(set(first)) == len(first) > 100
