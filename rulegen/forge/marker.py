"""What a request remembers of the claims that it was made for: one hidden line of its text, which the forge keeps.

The text between the first and the last mark is rulegen's; what people write outside of it stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rulegen.forge.claim import Claim

_BEGIN, _END = "<!-- rulegen ", "<!-- /rulegen -->"
_LINE = re.compile(r"<!-- rulegen (\{[^\n]*\}) -->")
NOTE = "<!-- rulegen:comment -->"  # begins the comment on a request of ours
REVIEW = "<!-- rulegen:review -->"  # and the one on somebody's, that says what it would have done
MUCH_MORE = 1.5  # times the noise that was cut when a person said no
_GRADES = ("alerts", "metrics")


@dataclass(frozen=True, slots=True)
class Remembered:
    """One claim as it was: digests of the rule it started from and of its goal, and what it rested on."""

    id: str
    start: str
    goal: str
    template: str
    grade: str
    cut: float
    digest: str

    @classmethod
    def of(cls, claim: Claim) -> Remembered:
        cut = round(claim.cut, 3)
        return cls(claim.id, claim.start, claim.goal, claim.template, claim.grade, cut, claim.digest)

    def reconsider(self, now: Claim) -> str:
        """Why a person who said no should be asked again; "" where nothing has changed markedly."""
        if now.start != self.start:
            return "the rule itself has changed since"
        if now.template != self.template:
            return f"it is another change ({now.template}, then {self.template})"
        if _GRADES.index(now.grade) > _GRADES.index(self.grade):
            return "it rests on metrics now, and rested on recorded alerts alone"
        if now.cut > 0 and now.cut >= MUCH_MORE * self.cut:
            return f"it would cut {now.cut:.1f} noisy pages a week, then {self.cut:.1f}"
        return ""


@dataclass(frozen=True, slots=True)
class Marker:
    """``claims`` are all that the request stands for; ``to`` is the end of the history that it was judged on."""

    claims: tuple[Remembered, ...]
    to: str

    @classmethod
    def of(cls, claims: Iterable[Claim], to: str) -> Marker:
        return cls(tuple(map(Remembered.of, claims)), to)

    def about(self, id: str) -> Remembered | None:
        return next((one for one in self.claims if one.id == id), None)

    @property
    def line(self) -> str:
        document = {"v": 1, "to": self.to, "claims": [asdict(one) for one in self.claims]}
        # A comment ends at -->, which no value of ours holds; escaped all the same.
        text = json.dumps(document, separators=(",", ":")).replace("--", "\\u002d\\u002d")
        return f"{_BEGIN}{text} -->"


def wrapped(marker: Marker, text: str) -> str:
    """``text`` as the part of a request's body that is rulegen's."""
    return f"{marker.line}\n{text.rstrip()}\n{_END}\n"


def replaced(body: str, part: str) -> str | None:
    """``body`` with rulegen's own part replaced; None where somebody took its marks away."""
    begin, end = _LINE.search(body), body.rfind(_END)
    if begin is None or end < begin.end():
        return None
    return body[: begin.start()] + part.rstrip("\n") + body[end + len(_END) :]


def read_marker(body: str) -> Marker | None:
    """The marker in a request's body; None where there is none that can be read."""
    found = _LINE.search(body)
    if found is None:
        return None
    try:
        document: Any = json.loads(found[1])
        claims = tuple(Remembered(**one) for one in document["claims"])
        if any(one.grade not in _GRADES for one in claims):
            return None
        return Marker(claims, str(document["to"]))
    except (ValueError, TypeError, KeyError):
        return None
