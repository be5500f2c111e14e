"""A model that is asked, told the verdicts and asked again; and what becomes of one that fails."""

from __future__ import annotations

import math
from collections import deque
from itertools import count

import pytest
from proposing import FakeModel, cluster, numbers, retuning

from rulegen.core.candidate import Candidate, Proposal, Slot
from rulegen.core.deadline import ENDLESS, Clock, Deadline
from rulegen.core.trial import Trial
from rulegen.errors import ModelError
from rulegen.propose.asking import HOPELESS, AskingModel, Manner
from rulegen.propose.feedback import TOLD, told, verdict_words
from rulegen.propose.llama import TooLong
from rulegen.propose.offer import offers_for
from rulegen.propose.polish import POLISH, polish
from rulegen.propose.render import render

LADDER = (1, 2, 3, 5, 10, 15, 30, 60)
TEMPLATES = (retuning(Slot("for", numbers(*LADDER))),)
CLUSTER = cluster()


def answer(minutes: int) -> str:
    return f'{{"template":"retuning","slots":{{"for":"{minutes}m"}}}}'


def trial(proposal: Proposal, left: float = 0.5, *reasons: str) -> Trial:
    candidate = render(CLUSTER, proposal, TEMPLATES)
    assert isinstance(candidate, Candidate)
    return Trial(candidate, left, left, reasons)


def asking(*answers: str | Exception, now: Clock = lambda: 0.0, **manner: int) -> tuple[AskingModel, FakeModel]:
    model = FakeModel(deque(answers))
    return AskingModel(model, TEMPLATES, Manner(**{"samples": 2, **manner}), seed=0, now=now), model  # type: ignore[arg-type]


def values(proposals: tuple[Proposal, ...] | None) -> list[object]:
    assert proposals is not None
    return [one.slots["for"] for one in proposals]


def test_it_hears_the_verdicts_and_the_numbers_of_the_best_are_polished_until_all_is_tried() -> None:
    ask, model = asking(answer(10), answer(60), answer(5), answer(30), rounds=1, polish=3)
    first = ask(CLUSTER, [], ENDLESS)
    assert values(first) == [10, 60] and first is not None
    round_1 = [
        trial(first[0], 0.4),
        trial(first[1], 0.1, 'loses "INC"\nrm -rf'),
    ]
    second = ask(CLUSTER, [round_1], ENDLESS)
    assert values(second) == [5, 30] and second is not None
    *_, good, bad, last = str(model.asked[-1]["prompt"]).splitlines()
    assert good == f'tried {answer(10)} "passed, pages -60%, minutes -60%"'
    assert bad == f'tried {answer(60)} "loses \\"INC\\"\\nrm -rf, pages -90%, minutes -90%"'
    assert str(model.asked[0]["prompt"]).splitlines()[-1] == last
    round_2 = [trial(second[0], 0.6), trial(second[1], 0.2)]
    third = ask(CLUSTER, [round_1, round_2], ENDLESS)
    assert values(third) == [15, 3] or values(third) == [15]  # next to 30, which is the best; 60 was tried
    assert third is not None and {one.provenance.proposer for one in third} == {POLISH}
    rounds = [round_1, round_2, [trial(one, 0.9) for one in third]]
    while more := ask(CLUSTER, rounds, ENDLESS):
        rounds.append([trial(one, 0.9) for one in more])
    assert sum(map(len, rounds[2:])) <= 3 and not ask.notes and not model.answers


def test_without_rounds_and_polish_it_is_asked_once() -> None:
    ask, _ = asking(answer(10), answer(60), rounds=0, polish=0)
    first = ask(CLUSTER, [], ENDLESS)
    assert first is not None and ask(CLUSTER, [[trial(one) for one in first]], ENDLESS) == ()


def test_a_model_that_fails_leaves_it_to_search_from_there_on() -> None:
    ask, model = asking(answer(10), answer(60), ModelError("gone"))
    first = ask(CLUSTER, [], ENDLESS)
    assert first is not None and ask(CLUSTER, [[trial(one) for one in first]], ENDLESS) is None
    assert ask(CLUSTER, [], ENDLESS) is None and len(model.asked) == 3
    assert ask.notes == ("the model failed, so search proposed instead from there on: gone",)


def test_what_it_said_before_it_failed_is_used() -> None:
    ask, _ = asking(answer(10), ModelError("gone"))
    assert values(ask(CLUSTER, [], ENDLESS)) == [10]
    assert ask(CLUSTER, [], ENDLESS) is None


def test_a_model_that_says_nothing_of_use_leaves_that_rule_to_search() -> None:
    ask, _ = asking(*4 * ["rm -rf"], answer(10), answer(60))
    assert ask(CLUSTER, [], ENDLESS) is None
    assert values(ask(CLUSTER, [], ENDLESS)) == [10, 60]
    assert ask.notes == (
        "4 of the model's 6 answers could not be used, the last because the answer is not JSON: 'rm -rf'",
        "for 1 rule the model said nothing of use, so search proposed instead",
    )


def test_a_context_too_small_for_the_verdicts_costs_the_second_round_only() -> None:
    ask, _ = asking(answer(10), answer(60), TooLong("too small"))
    first = ask(CLUSTER, [], ENDLESS)
    assert first is not None
    assert ask(CLUSTER, [[trial(one) for one in first]], ENDLESS)  # polished
    assert ask.notes == ("1 time the model's context was too small to tell it what had come of its answers",)


def test_a_rule_whose_texts_are_too_long_takes_the_model_from_no_other_rule() -> None:
    ask, _ = asking(TooLong("too small"), answer(10), answer(60))
    assert ask(CLUSTER, [], ENDLESS) is None
    assert values(ask(CLUSTER, [], ENDLESS)) == [10, 60]
    assert ask.notes == ("1 rule could not be asked about, so search proposed instead: too small",)


def test_a_model_that_never_says_anything_of_use_is_asked_no_more() -> None:
    ask, model = asking(*4 * HOPELESS * ["Sure!"], answer(10))
    assert [ask(CLUSTER, [], ENDLESS) for _ in range(HOPELESS + 2)] == [None] * (HOPELESS + 2)
    assert list(model.answers) == [answer(10)]  # was not asked for it
    assert ask.notes[0].endswith(f"from there on: nothing that it said of the first {HOPELESS} rules was of use")
    ask, _ = asking(answer(10), answer(60), *4 * HOPELESS * ["Sure!"], answer(10), answer(60))
    assert values(ask(CLUSTER, [], ENDLESS)) == [10, 60]
    assert [ask(CLUSTER, [], ENDLESS) for _ in range(HOPELESS)] == [None] * HOPELESS
    assert values(ask(CLUSTER, [], ENDLESS)) == [10, 60]  # it can, and so goes on being asked


def test_a_deadline_that_passes_is_no_fault_of_the_model() -> None:
    ticks = count()
    ask, _ = asking(answer(10), ModelError("too slow: its deadline has passed"), now=lambda: next(ticks))
    assert values(ask(CLUSTER, [], Deadline(1, lambda: next(ticks)))) == [10]
    assert not ask.notes


def test_the_model_is_told_to_answer_in_time() -> None:
    ask, model = asking(answer(10), answer(60), answer_s=30, now=lambda: 1000.0)
    ask(CLUSTER, [], Deadline(1010, lambda: 1000.0))
    ask, slow = asking(answer(10), answer(60), answer_s=30, now=lambda: 1000.0)
    ask(CLUSTER, [], ENDLESS)
    assert {one["deadline"] for one in model.asked} == {1010} and {one["deadline"] for one in slow.asked} == {1060}


def test_the_best_are_told_first_and_not_more_than_fit() -> None:
    offers = offers_for(CLUSTER, TEMPLATES)
    ask, _ = asking(*(answer(minutes) for minutes in LADDER[1:]), samples=len(LADDER) - 1)
    proposals = ask(CLUSTER, [], ENDLESS)
    assert proposals is not None
    trials = [
        trial(one, math.nan if at == 0 else at / 10, *["adds noise"] * (at < 4)) for at, one in enumerate(proposals)
    ]
    said = told(trials, offers)
    assert [text for text, _ in said] == [answer(minutes) for minutes in (15, 30, 60, 3, 5, 10)] and len(said) == TOLD
    assert verdict_words("unsupported", math.nan, math.nan) == "unsupported"
    assert verdict_words("", -0.5, 0.25) == "passed, pages +50%, minutes -25%"
    assert len(verdict_words("x" * 500, 0.1, 0.1)) < 100


@pytest.mark.parametrize(
    ("lefts", "near"),
    [
        ({10: (0.3,), 2: (0.1, "loses a")}, [15, 5, 30, 3]),  # what passed comes before what did not
        ({10: (0.3, "loses a"), 2: (0.1, "loses a", "loses b")}, [15, 5, 30, 3]),  # else the fewest reasons
        ({60: (0.3,)}, [30, 15]),
        ({60: (math.nan, "unsupported")}, []),
    ],
)
def test_neighbours_of_the_best(lefts: dict[int, tuple[float | str, ...]], near: list[int]) -> None:
    offers = offers_for(CLUSTER, TEMPLATES)
    ask, _ = asking(*map(answer, lefts), samples=len(lefts))
    trials = [trial(one, *lefts[int(str(one.slots["for"]))]) for one in ask(CLUSTER, [], ENDLESS) or ()]  # type: ignore[arg-type]
    assert len(trials) == len(lefts)
    found = polish(CLUSTER, offers, TEMPLATES, trials, 99)
    assert [one.slots["for"] for one in found] == near
    assert polish(CLUSTER, offers, TEMPLATES, trials, 1) == found[:1]
