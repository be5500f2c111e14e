from __future__ import annotations

from dataclasses import replace

import pytest
from proposing import choices, cluster, template

from rulegen.core.candidate import Choice, Slot
from rulegen.core.cluster import Grade
from rulegen.propose.offer import offers_for
from rulegen.templates import TEMPLATES, Template


def test_fits_by_grade_and_by_having_something_to_choose() -> None:
    fits = template(Slot("a", choices("x")))
    empty = template(Slot("a", choices("x")), Slot("b", ()))
    nothing = replace(fits, slots=lambda _: None)
    assert [one.template for one in offers_for(cluster(), (fits, empty, nothing))] == [fits]
    assert offers_for(cluster(grade=Grade.ALERTS), (fits,)) == ()


def test_a_template_without_slots_fits() -> None:
    (offer,) = offers_for(cluster(), (template(),))
    assert offer.filled(()).pairs == ()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (template(Slot("a", choices("x")), name='x"y'), "not a safe name"),
        (template(Slot("a b", choices("x"))), "not a safe name"),
        (template(Slot("a", choices("x", 'y"'))), "not a safe token"),
        (template(Slot("a", choices("x\n"))), "not a safe token"),
        (template(Slot("a", choices(""))), "not a safe token"),
        (template(Slot("a", choices("é"))), "not a safe token"),
        (template(Slot("a", choices("x", "x"))), "two choices"),
        (template(Slot("a", choices("x")), Slot("a", choices("x"))), "two slots"),
        (template(Slot("a", choices("x"), most=0)), "at most 0"),
        (template(Slot("a", (Choice("5m", 300_000),), most=2)), "only words"),
    ],
)
def test_unsafe_names_never_get_further(broken: Template, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        offers_for(cluster(), (broken,))


def test_the_real_templates_are_safe() -> None:
    names = [offer.template.name for offer in offers_for(cluster(), TEMPLATES)]
    assert names[:2] == ["hold", "retune"]
    assert {"retune", "smooth"}.isdisjoint(
        offer.template.name for offer in offers_for(cluster(grade=Grade.ALERTS), TEMPLATES)
    )
