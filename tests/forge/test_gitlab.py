"""Merge requests on GitLab: every request and answer held against its API description by a proxy between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Forge
from described import asked
from lab import PROJECT, TOKEN
from team import RULES, TEXT, Run, Team, git

Pr = Callable[..., str]
ASKED = "/projects/acme%2Frules/merge_requests"


@pytest.fixture
def pr(team: Team, rulegen: Run, gitlab: Forge) -> Pr:
    def call(*more: object, code: int = 0) -> str:
        done = rulegen("pr", "--quiet", "--out", team.out, "--repo", team.clone, "--forge", "gitlab", *more)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert TOKEN not in done.stdout + done.stderr
        return done.stdout + done.stderr

    return call


def test_the_proxy_turns_down_what_the_description_does_not_allow(gitlab: Forge) -> None:
    url = f"{gitlab.url}/api/v4{ASKED}"
    assert asked(f"{url}?state=open") == 422
    assert asked(url, "POST", {"title": "t", "source_branch": "s", "target": "main"}) == 422
    gitlab.server.before = lambda method, path: (200, [{"iid": "one"}])
    assert asked(url) == 500


def test_opened_updated_closed_and_respected(team: Team, pr: Pr, gitlab: Forge) -> None:
    where = f"https://gitlab.example/{PROJECT}/-/merge_requests/1"
    assert f"{team.id}  QueueLong: opened  {where}" in pr()
    request = gitlab.state.requests[0]
    assert request["source_branch"] == team.branch and "<!-- rulegen {" in request["description"]
    assert "QueueLong: unchanged" in pr()
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    first = team.tip(team.branch)
    assert "QueueLong: updated" in pr()
    assert team.tip(team.branch) != first
    team.edit(lambda one: one["evidence"]["whole"].update({"pages": [20, 1]}))
    assert "QueueLong: updated" in pr()
    assert len(gitlab.state.requests) == 1 and len(gitlab.state.notes) == 1
    gitlab.state.close(1)
    gitlab.server.calls.clear()
    assert "QueueLong: declined" in pr()
    assert all(method == "GET" for method, _ in gitlab.server.calls)
    team.edit(lambda one: one["evidence"]["whole"].update({"pages": [60, 1]}))
    assert "QueueLong: opened" in pr()
    assert len(gitlab.state.requests) == 2


def test_merged_is_done(team: Team, pr: Pr, gitlab: Forge) -> None:
    pr()
    gitlab.state.close(1, merged=True)
    assert "QueueLong: merged" in pr()


def test_a_persons_commit_stays(team: Team, pr: Pr, gitlab: Forge) -> None:
    pr()
    theirs = team.commit(team.branch, RULES, TEXT.replace("> 80", "> 90"))
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    assert "QueueLong: theirs" in pr()
    assert team.tip(team.branch) == theirs
    assert "rulegen did not make" in gitlab.state.notes[0]["body"]


def test_a_fork_with_our_branch_name_is_not_ours(team: Team, pr: Pr, gitlab: Forge) -> None:
    pr()
    gitlab.state.requests[0]["source_project_id"] = 2
    gitlab.state.close(1)
    assert "QueueLong: opened" in pr()


def test_an_expired_token_is_one_message_and_nothing_is_pushed(
    team: Team, pr: Pr, gitlab: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RULEGEN_GITLAB_TOKEN", "glpat-other")
    said = pr(code=3)
    assert said == "rulegen: GitLab: the token is not (or no longer) good (401): put a new one into the environment\n"
    assert not team.tip(team.branch)


def test_down_half_way_and_the_next_run_carries_on(team: Team, pr: Pr, gitlab: Forge) -> None:
    gitlab.server.before = lambda method, path: (503, {"message": "down"}) if method == "POST" else None
    assert "QueueLong: failed" in pr(code=3)
    tip = team.tip(team.branch)
    gitlab.server.before = lambda method, path: None
    assert "QueueLong: opened" in pr()
    assert tip and team.tip(team.branch) == tip


def test_the_rate_limit_is_waited_for_or_told(team: Team, pr: Pr, gitlab: Forge) -> None:
    waits = iter(["1"])

    def limited(method: str, path: str) -> Any:
        wait = next(waits, None) if method == "POST" else None
        return None if wait is None else (429, {"message": "Retry later"}, {"Retry-After": wait})

    gitlab.server.before = limited
    assert "QueueLong: opened" in pr()
    gitlab.state.clear(team.bare)
    git(team.bare, "update-ref", "-d", f"refs/heads/{team.branch}")
    waits = iter(["3600"])
    assert "it asks to wait 3600s; the next run carries on" in pr(code=3)


def test_what_gitlab_refuses_is_told(team: Team, pr: Pr, gitlab: Forge) -> None:
    answer = (409, {"message": ["Another open merge request already exists for this source branch: !9"]})
    gitlab.server.before = lambda method, path: answer if method == "POST" else None
    assert "Another open merge request already exists" in (said := pr(code=3)) and "(409)" in said
