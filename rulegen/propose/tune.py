"""The question of what people would change about a rule, with nothing but the rule to go by.

It is a second task for the model, trained and measured on changes that people made; no history is needed. The answer
is one JSON object without spaces: ``{"kind":"hold","to":"15m"}`` where the kind takes a value, else
``{"kind":"retire"}``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from string import Template as Wording

from rulegen.core.durations import format_duration, parse_duration
from rulegen.core.rule import Rule
from rulegen.propose.prompt import quoted
from rulegen.propose.refused import Refused
from rulegen.shipped import shipped

WORDING = "prompts/tune-v1.txt"

TIMED = ("hold", "keep", "window")
NUMBERED = ("threshold", "factor")
NAMED = ("severity",)
PLAIN = (
    "office_hours",
    "retire",
    "exclude",
    "narrow",
    "gate",
    "inhibit",
    "aggregate",
    "compare",
    "signal",
    "smooth",
    "route",
    "finer",
    "tighten",
    "other",
)
KINDS = (*TIMED, *NUMBERED, *NAMED, *PLAIN)

_NAME, _VALUE, _EXPRESSION, _MOST_LABELS = 60, 40, 400, 8  # characters, and pairs
_SEVERITY = re.compile(r"[a-z0-9_-]{1,16}")
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
_DURATION = re.compile(r"([0-9]{1,4}(ms|[smhdwy])){1,3}")
MOST_TOKENS = 40  # the longest answer has 38 characters: {"kind":"severity","to":"……16……"}


@dataclass(frozen=True, slots=True, order=True)
class Tuned:
    """One change: its kind, and what is set (a duration, a number or a severity as text; empty: the kind takes none).

    Equal changes are equal values: durations and numbers are written in one way. Raises ValueError for what is no
    change of that kind.
    """

    kind: str
    to: str = ""

    def __post_init__(self) -> None:
        if self.kind in TIMED and _DURATION.fullmatch(self.to):
            object.__setattr__(self, "to", format_duration(parse_duration(self.to)))
        elif self.kind in NUMBERED and _NUMBER.fullmatch(self.to):
            object.__setattr__(self, "to", plain(float(self.to)))
        elif not (self.kind in NAMED and _SEVERITY.fullmatch(self.to)) and (self.kind not in PLAIN or self.to):
            raise ValueError(f"no change: {self.kind} {self.to}")


def plain(value: float) -> str:
    """``value`` in digits: at most six after the point, and no exponent."""
    written = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def tune_prompt(rule: Rule) -> str:
    """Name, waits, labels and expression of ``rule``: some 250 characters. The expression need not parse.

    Raises RulegenError when the wording is missing from the installation.
    """
    pairs = [f"{name}={quoted(value, _VALUE)}" for name, value in rule.labels.pairs[:_MOST_LABELS]]
    return _wording().substitute(
        name=quoted(rule.name, _NAME),
        hold=format_duration(rule.hold),
        keep=format_duration(rule.keep_firing_for),
        labels=" ".join(pairs) or "none",
        expression=quoted(" ".join(rule.expr.split()), _EXPRESSION),
    )


def write_tuned(tuned: Tuned) -> str:
    """The answer that says ``tuned``, as the grammar has it."""
    return json.dumps({"kind": tuned.kind, **({"to": tuned.to} if tuned.to else {})}, separators=(",", ":"))


def read_tuned(text: str) -> Tuned | Refused:
    """What an answer says, or why it says nothing."""
    try:
        answer = json.loads(text)
        if not isinstance(answer, dict) or not {"kind"} <= set(answer) <= {"kind", "to"}:
            return Refused("the answer is not an object of kind and to")
        return Tuned(str(answer["kind"]), str(answer.get("to", "")))
    except (ValueError, RecursionError) as error:
        return Refused(ascii(str(error))[:80])


@cache
def tune_grammar() -> str:
    """GBNF of all answers; the same for every rule."""

    def among(kinds: tuple[str, ...]) -> str:
        return "( " + " | ".join(f'"{kind}"' for kind in kinds) + " )"

    set_to = '"\\",\\"to\\":\\""'
    return "\n".join(
        (
            'root ::= "{\\"kind\\":\\"" ( timed | numbered | named | plain ) "\\"}"',
            f"timed ::= {among(TIMED)} {set_to} duration",
            f"numbered ::= {among(NUMBERED)} {set_to} number",
            f"named ::= {among(NAMED)} {set_to} [a-z0-9_-]{{1,16}}",
            f"plain ::= {among(PLAIN)}",
            'duration ::= [0-9]{1,4} ( "s" | "m" | "h" ( [0-9]{1,2} "m" )? | "d" )',
            'number ::= "-"? [0-9]{1,12} ( "." [0-9]{1,6} )?',
            "",
        )
    )


@cache
def _wording() -> Wording:
    return Wording(shipped(WORDING).read_text(encoding="utf-8"))
