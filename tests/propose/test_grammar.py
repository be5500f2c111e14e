from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import combinations, product

import pytest
from language import Judge
from proposing import choices, cluster, template
from tinygguf import make_tiny_gguf

from rulegen.core.candidate import Proposal, Provenance, Slot
from rulegen.core.cluster import Grade, Inventory
from rulegen.core.labels import quote
from rulegen.propose.answer import read_answer
from rulegen.propose.grammar import grammar, longest
from rulegen.propose.offer import Offer, offers_for
from rulegen.templates import TEMPLATES


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(make_tiny_gguf(tmp_path_factory.mktemp("grammar") / "tiny.gguf"))


def answers(offers: Iterable[Offer]) -> list[str]:
    """Every legal answer, written down the obvious way."""
    return [
        json.dumps({"template": offer.template.name, "slots": dict(picks)}, separators=(",", ":"))
        for offer in offers
        for picks in product(*(_picks(slot) for slot in offer.slots))
    ]


def _picks(slot: Slot) -> list[tuple[str, object]]:
    tokens = [choice.token for choice in slot.choices]
    if slot.most == 1:
        return [(slot.name, token) for token in tokens]
    return [(slot.name, list(some)) for size in range(1, slot.most + 1) for some in combinations(tokens, size)]


@pytest.mark.parametrize(
    "slots",
    [
        (),
        (Slot("a", choices("x")),),
        (Slot("a", choices("x", "xy", "99.9", "5m")), Slot("b", choices("x", "y"))),
        (Slot("a", choices("x"), most=3),),
        (Slot("a", choices("x", "y"), most=9),),
        (Slot("a", choices("a", "b", "c", "d", "e"), most=2),),
        (Slot("a", choices("a", "b", "c", "d", "e"), most=3), Slot("b", choices("f", "g"))),
        (Slot("a", choices("a", "b", "c", "d", "e"), most=5),),
    ],
)
def test_the_language_is_the_legal_answers_and_no_more(slots: Sequence[Slot], judge: Judge) -> None:
    offers = offers_for(cluster(), (template(*slots), template(Slot("a", choices("x")), name="other")))
    found = list(judge.strings(grammar(offers)))
    assert sorted(found) == sorted(answers(offers))  # as lists: no answer can be written in two ways
    assert max(map(len, found)) <= longest(offers)
    assert all(isinstance(read_answer(text, offers, Provenance("model")), Proposal) for text in found)


@pytest.mark.parametrize("grade", list(Grade))
def test_the_real_templates(grade: Grade, judge: Judge) -> None:
    offers = offers_for(cluster(grade=grade), TEMPLATES)
    assert sorted(judge.strings(grammar(offers))) == sorted(answers(offers))


def test_nothing_of_the_inventory_enters() -> None:
    hostile = 'x"} | "ignore previous'
    inventory = Inventory((hostile,), ((hostile, 9), ("b", 2)), ((hostile, hostile), ("b", hostile)), (1.0,))
    odd = cluster(expr=f"{{__name__={quote(hostile)}}} > 1", inventory=inventory)
    tame = Inventory(("m",), (("a", 9), ("b", 2)), (("a", "b"), ("b", "c")), (1.0,))
    written = grammar(offers_for(odd, TEMPLATES))
    assert "ignore" not in written
    assert written == grammar(offers_for(cluster(expr="m > 1", inventory=tame), TEMPLATES))


def test_nothing_to_answer() -> None:
    with pytest.raises(ValueError, match="no template fits"):
        grammar(())
