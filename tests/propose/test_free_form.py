"""An expression of the model's own: under the grammar, and held against what is there whoever wrote it."""

from __future__ import annotations

import json
from collections import deque

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from proposing import INVENTORY, FakeModel, cluster
from test_hostile import clusters
from tinygguf import make_tiny_gguf

from rulegen.core.candidate import Candidate, Proposal
from rulegen.core.cluster import Cluster, Grade
from rulegen.promql.parse import parse
from rulegen.propose.expression import MOST_CHARACTERS
from rulegen.propose.grammar import grammar
from rulegen.propose.llama import LanguageModel, load
from rulegen.propose.model import Question, sample
from rulegen.propose.offer import offers_for
from rulegen.propose.prompt import build_prompt
from rulegen.propose.refused import Refused
from rulegen.propose.render import render
from rulegen.propose.schema import schema
from rulegen.propose.search import enumerate_proposals
from rulegen.templates import TEMPLATES
from rulegen.templates.free_form import TEMPLATE, foreign, vocabulary

CONTEXT = 16_384
ONLY = (TEMPLATE,)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    path = make_tiny_gguf(tmp_path_factory.mktemp("free") / "tiny.gguf", seed=5, context=CONTEXT)
    return load(path, threads=1, context=CONTEXT)


def made(expr: object, one: Cluster | None = None) -> Candidate | Refused:
    """What becomes of an answer with ``expr``, as a server that keeps to no grammar may give it."""
    one = one or cluster()
    answer = json.dumps({"template": "free_form", "slots": {"expr": expr, "for": "5m"}})
    question = Question(one, ONLY, offers_for(one, ONLY))
    said = next(sample(question, FakeModel(deque([answer])), samples=1, seed=0))
    return said if isinstance(said, Refused) else render(one, said, ONLY)


@pytest.mark.parametrize(
    "expr",
    [
        "sum by (job) (queue_depth{instance!='a:9100'}) > 300",
        "avg_over_time(queue_depth[10m]) > 120 and on (zone) count (queue_depth) >= 3",
        "max by (zone,job) (rate(queue_depth[5m])) / avg (queue_depth offset 1d) > 2.5 unless queue_depth < 10",
    ],
)
def test_what_is_made_of_what_is_there(expr: str) -> None:
    found = made(expr)
    assert isinstance(found, Candidate)
    (rule,) = found.rules
    assert rule.expr == expr and rule.name == "QueueDeep" and found.change == "tuning"


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("secret_metric > 1", "a metric that is not there"),
        ("queue_depth{team='x'} > 1", "a matcher that is not there"),
        ("queue_depth{instance=~'.*'} > 1", "a matcher that is not there"),
        ("{__name__='queue_depth'} > 1", "a metric that is not there"),
        ("queue_depth{__name__='queue_depth'} > 1", ""),
        ("sum by (team) (queue_depth) > 1", "a label that is not there"),
        ("queue_depth > on (team) group_left () queue_depth > 1", "another kind of matching"),
        ("queue_depth and on (team) queue_depth > 1", "a label that is not there"),
        ("topk(1, queue_depth) > 1", "another aggregation"),
        ("label_replace(queue_depth, 'a', 'b', 'c', 'd') > 1", "another function"),
        ("absent(queue_depth) > 0", "another function"),
        ("max_over_time(queue_depth[1h:1m]) > 1", "another kind of node"),
        ("queue_depth @ 5 > 1", "another kind of selector"),
        ("queue_depth", "compares nothing"),
        ("vector(1)", "another function"),
        ("queue_depth > bool 1", ""),
        ("queue_depth > 1 # ignore previous", "stays"),
        ("ignore all previous instructions", "not PromQL"),
        ("queue_depth > ", "not PromQL"),
        ("x" * (MOST_CHARACTERS + 1), "at most"),
        ("queue_depth{instance='ä'} > 1", "ASCII"),
        ("queue_depth > 1\n\x1b[2J", "printable"),
        (5, "at most"),
        (["queue_depth > 1"], "at most"),
        ("(" * 300, "PromQL"),
    ],
)
def test_what_is_not_there_is_refused(expr: object, said: str) -> None:
    found = made(expr)
    if said == "stays":  # a comment is no part of what a rule means, and nothing is run
        assert isinstance(found, Candidate)
        return
    assert isinstance(found, Refused) and said in found.reason and found.reason.isprintable()


def test_it_is_offered_only_where_asked_for() -> None:
    assert TEMPLATE not in TEMPLATES
    assert "free_form" not in {one.template for one in enumerate_proposals(cluster(), TEMPLATES)}
    assert offers_for(cluster(grade=Grade.ALERTS), ONLY) == ()
    offers = offers_for(cluster(), (*TEMPLATES, TEMPLATE))
    for text in (build_prompt(cluster(), offers), build_prompt(cluster(), offers, explained=True)):
        assert "free_form" in text and "PromQL" in text
    assert "'a:9100'" in build_prompt(cluster(), offers, explained=True)
    assert {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS} in _leaves(schema(offers))


def _leaves(node: object) -> list[object]:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(leaf for one in inner for leaf in _leaves(one))]


def test_a_model_writes_within_the_grammar(model: LanguageModel) -> None:
    question = Question(cluster(), ONLY, offers_for(cluster(), ONLY))
    said = list(sample(question, model, samples=12, seed=2))
    written = [str(one.slots["expr"]) for one in said if isinstance(one, Proposal)]
    assert len(set(written)) > 3
    for expr in written:
        assert parse(expr) and foreign(expr, vocabulary(cluster())) is None
    refused = [one.reason for one in said if isinstance(one, Refused)]
    assert all("not JSON" in one or "compares nothing" in one or "at most" in one for one in refused), refused


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a slow machine is no failure
@given(odd=clusters(), seed=st.integers(0, 2**31))
def test_hostile_names_are_not_in_the_language(odd: Cluster, seed: int, model: LanguageModel) -> None:
    offers = offers_for(odd, ONLY)
    if not offers:
        return
    known = vocabulary(odd)
    words = [*known.metrics, *known.labels, *(text for pair in known.pairs for text in pair)]
    assert all(word.isascii() and not set(word) & set("\"'\\ {}()[]\n") for word in words)
    assert grammar(offers).isascii()
    for one in sample(Question(odd, ONLY, offers), model, samples=2, seed=seed):
        if isinstance(one, Proposal):
            assert foreign(str(one.slots["expr"]), known) is None


def test_without_labels_and_values() -> None:
    from dataclasses import replace

    bare = cluster("queue_depth > 100", replace(INVENTORY, labels=(), values=()))
    assert "written-label" not in grammar(offers_for(bare, ONLY))
    assert isinstance(made("sum (queue_depth) > 5", bare), Candidate)
