"""What people would change: the question, the answers that its grammar allows, and how they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from language import Judge
from tinygguf import make_tiny_gguf

from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.propose.llama import load
from rulegen.propose.refused import Refused
from rulegen.propose.tune import KINDS, MOST_TOKENS, PLAIN, Tuned, read_tuned, tune_grammar, tune_prompt, write_tuned

RULE = Rule('Say "hi"', "rate(errors[5m])\n  > 3", hold=5 * MINUTE, labels=Labels({"severity": "page"}))


def test_the_question_holds_the_rule_and_nothing_else() -> None:
    assert tune_prompt(RULE) == (
        'Retune "Say \\"hi\\"" for 5m keep 0s labels severity="page"\n"rate(errors[5m]) > 3"\nChange:\n'
    )


@pytest.mark.parametrize(
    "tuned",
    [
        Tuned("hold", "15m"),
        Tuned("threshold", "0.07"),
        Tuned("factor", "-3"),
        Tuned("severity", "s3"),
        Tuned("retire"),
    ],
)
def test_an_answer_is_read_as_it_was_written(tuned: Tuned) -> None:
    assert read_tuned(write_tuned(tuned)) == tuned


def test_equal_changes_are_one() -> None:
    assert read_tuned('{"kind":"hold","to":"60m"}') == Tuned("hold", "1h")
    assert read_tuned('{"to":"2.50","kind":"factor"}') == Tuned("factor", "2.5")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind":"hold"}',
        '{"kind":"hold","to":"soon"}',
        '{"kind":"retire","to":"5m"}',
        '{"kind":"threshold","to":"1e9"}',
        '{"kind":"severity","to":"not so bad"}',
        '{"kind":"no such"}',
        '{"kind":"gate","more":1}',
        "[" * 9999,
    ],
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    assert isinstance(read_tuned(text), Refused)


def test_any_model_answers_within_the_grammar(tmp_path: Path) -> None:
    model = load(make_tiny_gguf(tmp_path / "tiny.gguf"), threads=1, context=1024)
    answers = [
        model.complete(
            tune_prompt(RULE), tune_grammar(), max_tokens=4 * MOST_TOKENS, temperature=1.0, seed=seed, deadline=None
        )
        for seed in range(8)
    ]
    assert not [one for one in map(read_tuned, answers) if isinstance(one, Refused)]


def test_the_grammar_has_every_plain_kind_and_no_other(tmp_path: Path) -> None:
    """Of the kinds that take a value only the names are compared: their values have no end."""
    judge = Judge(make_tiny_gguf(tmp_path / "tiny.gguf"))
    plain = "\n".join(
        [
            'root ::= "{\\"kind\\":\\"" plain "\\"}"',
            *(row for row in tune_grammar().split("\n") if row[:5] == "plain"),
            "",
        ]
    )
    assert {read_tuned(text) for text in judge.strings(plain)} == {Tuned(kind) for kind in PLAIN}
    assert all(f'"{kind}"' in tune_grammar() for kind in KINDS)
