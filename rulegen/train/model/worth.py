"""How often each answer to a question is taught: what was tried says more than which answer is best.

The answer that should be given first takes ``FIRST`` of the lessons. The rest goes to all answers that the gate let
through, so that a model that is asked several times says several good ones: to each template by the best that it
reaches, and within it to each answer, both by ``exp(worth / SHARP)``. *Worth* is the share of the noise that goes,
less what the change costs a reviewer, near to how :mod:`rulegen.score.choose` weighs them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from rulegen.core.durations import MINUTE, parse_duration
from rulegen.score.choose import COMPLEXITY, EFFORT, EXTENT, KEEP, TARGET

FIRST = 0.3
SHARP = 0.05  # of the noise: twice as much, and an answer is taught some seven times less often
RARE = 0.004  # answers that would be taught less often than this are not


def lessons(answer: str, passed: Sequence[tuple[str, float]], hold: float) -> tuple[tuple[str, float], ...]:
    """Answers with how often each is taught, which add up to 1, ``answer`` first.

    ``passed`` are the answers that were accepted, each with the share of the noise that it cuts; ``hold`` is the
    rule's ``for`` in minutes.
    """
    # What seems to be worth more than the right answer has a price that cannot be seen here, as catches given up.
    most = next((worth(one, cut, hold) for one, cut in passed if one == answer), math.inf)
    worths: dict[str, dict[str, float]] = {}
    for one, cut in passed:
        worths.setdefault(_template(one), {})[one] = min(most, worth(one, cut, hold))
    spread: dict[str, float] = {}
    best = {template: max(some.values()) for template, some in worths.items()}
    for template, share in _softmax(best).items():
        for one, part in _softmax(worths[template]).items():
            spread[one] = (1 - FIRST) * share * part
    kept = {one: share for one, share in spread.items() if share >= RARE and one != answer}
    kept = {
        answer: FIRST + spread.get(answer, 0.0),
        **dict(sorted(kept.items(), key=lambda pair: (-pair[1], pair[0]))),
    }
    whole = sum(kept.values())
    return tuple((one, share / whole) for one, share in kept.items())


def worth(answer: str, cut: float, hold: float) -> float:
    """The share of the noise that ``answer`` cuts, less its effort as far as the answer alone tells it."""
    said = json.loads(answer)
    effort = float(COMPLEXITY.get(said["template"], 0))
    slots = said["slots"]
    if isinstance(targets := slots.get("targets"), list):
        effort += TARGET * len(targets)
    for name, now in (("for", hold), ("window", 0.0), ("offset", 0.0)):
        effort += EXTENT * math.log2(1 + max(0.0, _minutes(slots.get(name)) - now))
    return cut - EFFORT * effort - (KEEP if said["template"] == "demote" else 0.0)


def _minutes(value: object) -> float:
    try:
        return parse_duration(value) / MINUTE if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0  # "same", or a pick from the inventory


def _template(answer: str) -> str:
    return str(json.loads(answer)["template"])


def _softmax(worths: dict[str, float]) -> dict[str, float]:
    top = max(worths.values(), default=0.0)
    parts = {name: math.exp((one - top) / SHARP) for name, one in worths.items()}
    whole = sum(parts.values())
    return {name: part / whole for name, part in parts.items()}
