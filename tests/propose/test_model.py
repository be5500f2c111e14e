from __future__ import annotations

from collections import deque
from hashlib import sha256

import pytest
from proposing import FakeModel, choices, cluster, retuning, template

from rulegen.core.candidate import Proposal, Slot
from rulegen.core.cluster import Cluster
from rulegen.errors import ModelError
from rulegen.propose.grammar import grammar, longest
from rulegen.propose.model import MANY, TEMPERATURE, WARMER, Question, most_said, sample
from rulegen.propose.offer import offers_for
from rulegen.propose.prompt import build_prompt, revised
from rulegen.propose.refused import Refused
from rulegen.propose.render import render
from rulegen.propose.schema import schema
from rulegen.templates.template import Template

TEMPLATES = (retuning(Slot("for", choices("x", "y", "w")), Slot("b", choices("z"))),)
X, Y, W = ('{"template":"retuning","slots":{"for":"%s","b":"z"}}' % letter for letter in "xyw")  # noqa: UP031 # braces


def question(one: Cluster | None = None, templates: tuple[Template, ...] = TEMPLATES, **more: object) -> Question:
    one = one or cluster()
    return Question(one, templates, offers_for(one, templates), **more)  # type: ignore[arg-type]


def kept(said: list[Proposal | Refused]) -> list[object]:
    return [one.slots["for"] for one in said if isinstance(one, Proposal)]


def test_different_proposals_with_their_provenance() -> None:
    model = FakeModel(deque([Y, "gibberish", X, Y]))
    said = list(sample(question(), model, samples=2, seed=7, deadline=12.5))
    assert kept(said) == ["y", "x"]
    (refused,) = [one for one in said if isinstance(one, Refused)]
    assert "gibberish" in refused.reason
    offers = offers_for(cluster(), TEMPLATES)
    assert [asked.pop("temperature") for asked in model.asked] == [0.0, TEMPERATURE, WARMER]
    seeds = [asked.pop("seed") for asked in model.asked]
    text = build_prompt(cluster(), offers)
    same = {"grammar": grammar(offers), "schema": schema(offers), "max_tokens": longest(offers), "deadline": 12.5}
    assert model.asked == 3 * [{"prompt": text, **same}]
    assert len(set(seeds)) == 3 and all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
    first, second = (one.provenance for one in said if isinstance(one, Proposal))
    assert (first.proposer, first.model_sha256, first.seed, second.seed) == ("model", "f" * 64, seeds[0], seeds[2])
    assert first.prompt_sha256 == second.prompt_sha256 == sha256(text.encode()).hexdigest()


def test_asked_on_until_there_are_as_many_as_wanted_or_it_says_nothing_new() -> None:
    model = FakeModel(deque([X, X, X, Y, W]))
    assert kept(list(sample(question(), model, samples=2, seed=0))) == ["x", "y"] and len(model.asked) == 4
    model = FakeModel(deque(9 * [X]))
    assert kept(list(sample(question(), model, samples=2, seed=0))) == ["x"] and len(model.asked) == 4


def test_what_is_said_most_often_comes_first() -> None:
    often = deque(["gibberish", *3 * [X], *2 * [W], *5 * [Y], *(len(MANY) - 11) * ["gibberish"]])
    model = FakeModel(often)
    assert kept(list(most_said(question(), model, samples=2, seed=0))) == ["y", "x"]
    assert [asked["temperature"] for asked in model.asked] == list(MANY)
    with_known = most_said(question(known=known(Y)), FakeModel(deque([Y, Y, X] * 12)), samples=2, seed=0)
    assert kept(list(with_known)) == ["x"]


def test_of_a_model_that_fails_in_between_the_answers_until_then_are_kept() -> None:
    said = most_said(question(), FakeModel(deque([X, Y, Y, ModelError("too slow")])), samples=3, seed=0)
    assert [next(said).slots["for"], next(said).slots["for"]] == ["y", "x"]  # type: ignore[union-attr]
    with pytest.raises(ModelError, match="too slow"):
        next(said)


def known(answer: str) -> frozenset[str]:
    first = next(sample(question(), FakeModel(deque([answer])), samples=1, seed=0))
    assert isinstance(first, Proposal)
    made = render(cluster(), first, TEMPLATES)
    assert not isinstance(made, Refused)
    return frozenset({made.id})


def test_what_was_tried_is_not_proposed_again_and_the_question_says_what_came_of_it() -> None:
    tried = [(X, "loses INC-7")]
    first = next(one for one in sample(question(), FakeModel(deque([X])), samples=1, seed=0))
    assert isinstance(first, Proposal)
    made = render(cluster(), first, TEMPLATES)
    assert not isinstance(made, Refused)
    again = question(tried=tried, known=frozenset({made.id}), round=1)
    model = FakeModel(deque([X, Y]))
    assert kept(list(sample(again, model, samples=1, seed=0))) == ["y"]
    assert model.asked[0]["prompt"] == revised(build_prompt(cluster(), again.offers), tried)


def test_seeds_depend_on_the_seed_the_cluster_and_the_round_alone() -> None:
    def seeds(id: str, seed: int, round: int = 0) -> list[object]:
        model = FakeModel(deque([X, Y]))
        list(sample(question(cluster(id=id), round=round), model, samples=2, seed=seed))
        return [asked["seed"] for asked in model.asked]

    assert seeds("c1", 1) == seeds("c1", 1)
    others = [*seeds("c1", 2), *seeds("c2", 1), *seeds("c1", 1, 1)]
    assert set(seeds("c1", 1)).isdisjoint(others) and len(set(others)) == 6


def test_proposals_that_change_nothing_are_no_proposals() -> None:
    idle = (template(Slot("for", choices("x"))),)
    answer = '{"template":"probe","slots":{"for":"x"}}'
    said = list(sample(question(templates=idle), FakeModel(deque([answer] * 2)), samples=1, seed=0))
    assert all(isinstance(one, Refused) and "stays as it was" in one.reason for one in said) and len(said) == 2


def test_a_model_that_fails_is_the_callers_to_replace() -> None:
    with pytest.raises(ModelError, match="too slow"):
        list(sample(question(), FakeModel(deque([X, ModelError("too slow")])), samples=3, seed=0))
