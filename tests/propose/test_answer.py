from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proposing import choices, cluster, template

from rulegen.core.candidate import Proposal, Provenance, Slot
from rulegen.propose.answer import read_answer
from rulegen.propose.offer import offers_for
from rulegen.propose.refused import Refused
from rulegen.templates.template import durations

OFFERS = offers_for(
    cluster(),
    (template(Slot("for", durations(60_000, 300_000)), Slot("by", choices("l0", "l1", "l2"), most=2)),),
)
MODEL = Provenance("model", "a", "b", 7)


def test_reads_values_for_tokens() -> None:
    read = read_answer('{"template":"probe","slots":{"for":"5m","by":["l0","l2"]}}', OFFERS, MODEL)
    assert isinstance(read, Proposal)
    assert read.template == "probe" and read.provenance == MODEL
    assert read.slots.pairs == (("for", 300_000), ("by", ("l0", "l2")))


def test_order_and_spaces_are_free() -> None:
    plain = read_answer('{"template":"probe","slots":{"for":"5m","by":["l0","l2"]}}', OFFERS, MODEL)
    assert read_answer('{ "slots": {"by":["l2","l0"], "for":"5m"},\n"template":"probe"}', OFFERS, MODEL) == plain


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ('{"template":"probe","slots":{"for":"5m","by":["l0"]', "not JSON"),
        ('{"template":"probe","slots":{"for":"5m","by":["l0"]}} and more', "not JSON"),
        ('{"template":"probe","template":"probe","slots":{}}', "not JSON"),
        ("[" * 4_000, "not JSON"),
        ("9" * 5_000, "longer than"),
        ("null", "not an object"),
        ('["template","slots"]', "not an object"),
        ('{"template":"probe"}', "not an object"),
        ('{"template":"probe","slots":{},"why":""}', "not an object"),
        ('{"template":"prob","slots":{}}', "not offered"),
        ('{"template":["probe"],"slots":{}}', "not offered"),
        ('{"template":"probe","slots":[]}', "exactly the slots"),
        ('{"template":"probe","slots":{"for":"5m"}}', "exactly the slots"),
        ('{"template":"probe","slots":{"for":"5m","by":["l0"],"x":"y"}}', "exactly the slots"),
        ('{"template":"probe","slots":{"for":"6m","by":["l0"]}}', "slot for"),
        ('{"template":"probe","slots":{"for":300000,"by":["l0"]}}', "slot for"),
        ('{"template":"probe","slots":{"for":["5m"],"by":["l0"]}}', "slot for"),
        ('{"template":"probe","slots":{"for":"5m","by":"l0"}}', "slot by"),
        ('{"template":"probe","slots":{"for":"5m","by":[]}}', "slot by"),
        ('{"template":"probe","slots":{"for":"5m","by":["l0","l0"]}}', "slot by"),
        ('{"template":"probe","slots":{"for":"5m","by":["l0","l1","l2"]}}', "slot by"),
        ('{"template":"probe","slots":{"for":"5m","by":[{},["l0"]]}}', "slot by"),
    ],
)
def test_says_what_is_wrong(answer: str, reason: str) -> None:
    read = read_answer(answer, OFFERS, MODEL)
    assert isinstance(read, Refused)
    assert reason in read.reason
    assert read.reason.isprintable() and len(read.reason) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["probe", "5m", "l0", "for", "by"]) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["template", "slots", "for", "by", "x"]), inner),
)


@given(st.text() | JSON.map(repr) | JSON.map(json.dumps))
def test_never_raises(answer: str) -> None:
    assert isinstance(read_answer(answer, OFFERS, MODEL), Proposal | Refused)
