"""Texts that are almost PromQL."""

from __future__ import annotations

import random
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_:][\w:]*|[\d.]+\w*|\s+|[=!<>]=|=~|!~|.', re.DOTALL)


def mutated(text: str, other: str, seed: int | str) -> str:
    """``text`` with some tokens left out, doubled, swapped, or put in from ``other``: seldom PromQL, often almost."""
    chance = random.Random(seed)
    tokens, more = _TOKEN.findall(text), _TOKEN.findall(other)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at, to = chance.randrange(len(tokens)), chance.randrange(len(tokens))
        how = chance.choice(("insert", "insert", "replace", "swap", "double", "drop"))
        if how == "insert":
            tokens.insert(at, chance.choice(more))
        elif how == "replace":
            tokens[at] = chance.choice(more)
        elif how == "swap":
            tokens[at], tokens[to] = tokens[to], tokens[at]
        elif how == "double":
            tokens.insert(to, tokens[at])
        elif len(tokens) > 1:
            del tokens[at]
    return "".join(tokens)
