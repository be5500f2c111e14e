"""Is a rule's number of catches beyond luck? Its own pages, turned round in time, say how often it would have hit.

Shares no code with rulegen, and asks the question in a plainer way: each recording is turned round by the same share
of its length, and how many incidents the rule then catches is compared with how many it did.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from evals.independent import Incident, Page, catches

TURNS = 200
FALSE_DISCOVERY = 0.05  # Benjamini and Hochberg (1995)


def credibly_caught(pages: list[Page], incidents: list[Incident], recordings: list[tuple[int, int]]) -> set[str]:
    """The incidents that some rule catches whose catches are more than chance would give."""
    by_rule: defaultdict[str, list[Page]] = defaultdict(list)
    for page in pages:
        by_rule[page.name].append(page)
    caught = {name: _caught(mine, incidents) for name, mine in sorted(by_rule.items())}
    chances = []
    for name, mine in sorted(by_rule.items()):
        turned = (_caught(_turned(mine, recordings, turn / (TURNS + 1)), incidents) for turn in range(1, TURNS + 1))
        as_many = sum(len(one) >= len(caught[name]) for one in turned) if caught[name] else TURNS
        chances.append(((as_many + 1) / (TURNS + 1), name))
    chances.sort()
    passing = [rank for rank, (p, _) in enumerate(chances, 1) if p <= FALSE_DISCOVERY * rank / len(chances)]
    return set().union(*(caught[name] for _, name in chances[: max(passing, default=0)]))


def _caught(pages: list[Page], incidents: list[Incident]) -> set[str]:
    return {one.id for one in incidents if any(catches(page, one) for page in pages)}


def _turned(pages: list[Page], recordings: list[tuple[int, int]], share: float) -> list[Page]:
    found = []
    for page in pages:
        begin, end = next(one for one in recordings if one[0] <= page.start <= one[1])
        start = begin + (page.start - begin + round(share * (end - begin))) % (end - begin)
        found.append(replace(page, start=start, end=start + page.end - page.start))
    return found
