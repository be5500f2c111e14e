from __future__ import annotations

from collections import deque
from hashlib import sha256

import pytest
from proposing import FakeModel, choices, cluster, template

from rulegen.core.candidate import Slot
from rulegen.errors import ModelError
from rulegen.propose.grammar import grammar, longest
from rulegen.propose.model import TEMPERATURE, propose
from rulegen.propose.offer import offers_for
from rulegen.propose.prompt import build_prompt

TEMPLATES = (template(Slot("a", choices("x", "y")), Slot("b", choices("z"))),)
X, Y = ('{"template":"probe","slots":{"a":"%s","b":"z"}}' % letter for letter in "xy")  # noqa: UP031 # it has braces


def test_distinct_proposals_with_their_provenance() -> None:
    model = FakeModel(deque([Y, "gibberish", X, Y]))
    proposals, reasons = propose(cluster(), TEMPLATES, model, samples=4, seed=7, deadline=12.5)
    assert [one.slots["a"] for one in proposals] == ["y", "x"]
    assert len(reasons) == 1 and "gibberish" in reasons[0]
    offers = offers_for(cluster(), TEMPLATES)
    seeds = [asked.pop("seed") for asked in model.asked]
    text = build_prompt(cluster(), offers, explained=True)
    assert model.asked == 4 * [
        {
            "prompt": text,
            "grammar": grammar(offers),
            "max_tokens": longest(offers),
            "temperature": TEMPERATURE,
            "deadline": 12.5,
        }
    ]
    assert len(set(seeds)) == 4 and all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
    first, second = (one.provenance for one in proposals)
    assert (first.proposer, first.model_sha256, first.seed, second.seed) == ("model", "f" * 64, seeds[0], seeds[2])
    assert first.prompt_sha256 == second.prompt_sha256 == sha256(text.encode()).hexdigest()


def test_seeds_depend_on_the_seed_and_the_cluster_alone() -> None:
    def seeds(id: str, seed: int) -> list[object]:
        model = FakeModel(deque([X, X]))
        propose(cluster(id=id), TEMPLATES, model, samples=2, seed=seed)
        return [asked["seed"] for asked in model.asked]

    assert seeds("c1", 1) == seeds("c1", 1)
    assert set(seeds("c1", 1)).isdisjoint(seeds("c1", 2)) and set(seeds("c1", 1)).isdisjoint(seeds("c2", 1))


def test_nothing_fits() -> None:
    model = FakeModel(deque())
    assert propose(cluster(), (), model, samples=3, seed=0) == ((), ("no template fits",))
    assert not model.asked


def test_a_model_that_fails_is_the_callers_to_replace() -> None:
    with pytest.raises(ModelError, match="too slow"):
        propose(cluster(), TEMPLATES, FakeModel(deque([X, ModelError("too slow")])), samples=3, seed=0)
