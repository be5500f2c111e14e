"""What the forges have no room for is told in short, and nothing that is remembered is lost."""

from __future__ import annotations

import dataclasses

from conftest import Forge
from team import RULES, Run, Team

from rulegen.forge.body import body
from rulegen.forge.branch import Draft
from rulegen.forge.claim import Claim, Claims, read_claims
from rulegen.forge.marker import read_marker
from rulegen.forge.publish import TOGETHER

MOST = 65_536  # GitHub's limit


def many(team: Team, count: int, **more: object) -> tuple[Claims, Draft]:
    claims = read_claims(team.out)
    (one,) = claims.claims
    copies: list[Claim] = [one.model_copy(update={"id": f"s-{number:010}", **more}) for number in range(count)]
    files = {f"{RULES}/{'deep/' * 20}{number}.yml": b"" for number in range(count)}
    return dataclasses.replace(claims, claims=tuple(copies)), Draft(tuple(copies), "0" * 40, files, tuple(files))


def test_a_batch_as_large_as_can_be(team: Team) -> None:
    claims, draft = many(team, TOGETHER, words="`|" * 5000)
    text = body(claims, draft, "main", "origin", "batch")
    assert len(text) < MOST
    marker = read_marker(text)
    assert marker is not None and [one.id for one in marker.claims] == [one.id for one in claims.claims]
    assert all(text.count(one.id) >= 2 for one in claims.claims)
    assert "## Also changed" in text and "noisy pages a week" in text and text.count("```") % 2 == 0


def test_a_few_are_told_whole(team: Team) -> None:
    claims, draft = many(team, 3)
    text = body(claims, draft, "main", "origin", "batch")
    assert text.count("| noisy pages a week |") == 3 and "Also changed" not in text


def test_one_with_much_to_doubt_is_opened_all_the_same(team: Team, rulegen: Run, github: Forge) -> None:
    team.edit(lambda one: one.update(doubts=[f"doubt {number} {'x' * 100}" for number in range(2000)]))
    done = rulegen("pr", "--quiet", "--out", team.out, "--repo", team.clone, "--forge", "github")
    assert done.returncode == 0 and "QueueLong: opened" in done.stdout, done.stdout + done.stderr
    text = github.state.pulls[0]["body"]
    assert "doubt 0 " in text and "more lines, for which there is no room here" in text
    assert "### If you disagree" in text and read_marker(text) is not None
