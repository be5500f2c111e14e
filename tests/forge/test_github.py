"""Pull requests on GitHub: every request and answer held against GitHub's own API description by a proxy between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Forge
from described import asked
from hub import REPO, TOKEN
from team import RULES, TEXT, Run, Team, git

Pr = Callable[..., str]


@pytest.fixture
def pr(team: Team, rulegen: Run, github: Forge) -> Pr:
    def call(*more: object, code: int = 0) -> str:
        done = rulegen("pr", "--quiet", "--out", team.out, "--repo", team.clone, "--forge", "github", *more)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert TOKEN not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return call


def writes(github: Forge) -> list[tuple[str, str]]:
    return [(method, path) for method, path in github.server.calls if method != "GET"]


def test_the_proxy_turns_down_what_the_description_does_not_allow(github: Forge) -> None:
    assert asked(f"{github.url}/repos/{REPO}/pulls?state=oops") == 422
    assert asked(f"{github.url}/repos/{REPO}/pulls", "POST", {"title": 3}) == 422
    github.server.before = lambda method, path: (200, [{"number": "one"}])
    assert asked(f"{github.url}/repos/{REPO}/pulls") == 500  # an answer that GitHub could not give


def test_opened_updated_closed_and_respected(team: Team, pr: Pr, github: Forge) -> None:
    assert f"{team.id}  QueueLong: opened  https://github.example/{REPO}/pull/1" in pr()
    pull = github.state.pulls[0]
    assert pull["title"].startswith("Quieter QueueLong: ")
    assert pull["branch"] == team.branch and "<!-- rulegen {" in pull["body"]
    assert "QueueLong: unchanged" in pr()
    assert writes(github) == [("POST", f"/repos/{REPO}/pulls")]

    pull["body"] = "Ann: I am looking at it.\n\n" + pull["body"]
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    first = team.tip(team.branch)
    assert "QueueLong: updated" in pr()
    assert team.tip(team.branch) != first
    assert len(github.state.pulls) == 1 and pull["body"].startswith("Ann: I am looking at it.\n\n<!-- rulegen {")
    team.edit(lambda one: one["evidence"]["whole"].update({"pages": [20, 1]}))
    assert "QueueLong: updated" in pr()
    assert len(github.state.comments) == 1  # one, brought up to date

    github.state.close(1)
    github.server.calls.clear()
    assert "QueueLong: declined" in pr()
    assert writes(github) == []
    team.edit(lambda one: one["evidence"]["whole"].update({"pages": [60, 1]}))
    assert "QueueLong: opened" in (said := pr()) and "asked again" in said
    assert len(github.state.pulls) == 2


def test_merged_is_done_and_what_is_tuned_again_is_asked_again(team: Team, pr: Pr, github: Forge) -> None:
    pr()
    git(team.bare, "update-ref", "refs/heads/main", team.tip(team.branch))
    github.state.close(1, merged=True)
    assert "QueueLong: merged" in pr()
    git(team.bare, "update-ref", "-d", f"refs/heads/{team.branch}")
    assert "QueueLong: merged" in pr()

    def next_one(one: dict[str, Any]) -> None:
        one["rule"] = one["rules"][0]
        one["rules"] = [{**one["rule"], "for": "7m"}]

    team.edit(next_one)
    assert "QueueLong: opened" in pr()


def test_a_persons_commit_stays_and_one_comment_says_what_would_be_proposed(
    team: Team, pr: Pr, github: Forge
) -> None:
    pr()
    theirs = team.commit(team.branch, RULES, TEXT.replace("> 80", "> 90"))
    for wait in ("4m", "6m"):
        team.edit(lambda one, wait=wait: one["rules"][0].update({"for": wait}))
        assert "QueueLong: theirs" in pr()
    assert team.tip(team.branch) == theirs
    (comment,) = github.state.comments
    assert "rulegen did not make" in comment["body"]


def test_no_more_than_some_are_open(team: Team, pr: Pr, github: Forge) -> None:
    for number in range(3):
        branch = f"rulegen/s-{number}"
        team.commit("main", f"note{number}", "x")
        git(team.bare, "update-ref", f"refs/heads/{branch}", team.tip("main"))
        github.state.pulls.append({"title": "t", "body": "", "state": "open", "branch": branch, "base_ref": "main"})
    github.state.page = 2  # so that the list has a second page
    assert "QueueLong: waiting  (3 are open, and --max-open is 3)" in pr()
    assert "QueueLong: opened" in pr("--max-open", "4")


def test_batch_is_one_request_and_closing_it_says_no_to_all(team: Team, pr: Pr, github: Forge) -> None:
    assert "QueueLong: opened" in pr("--batch")
    assert [one["branch"] for one in github.state.pulls] == ["rulegen/batch"]
    assert "QueueLong: unchanged" in pr("--batch")
    assert "QueueLong: unchanged" in pr()  # it stays where it was asked
    github.state.close(1)
    assert "QueueLong: declined" in pr("--batch")
    assert "QueueLong: declined" in pr()


def test_a_fork_with_our_branch_name_is_not_ours(team: Team, pr: Pr, github: Forge) -> None:
    pull = {"title": "t", "body": "", "state": "closed", "branch": team.branch, "base_ref": "main"}
    github.state.pulls.append(pull | {"from": "acme/other"})
    assert "QueueLong: opened" in pr()


def test_an_expired_token_is_one_message_and_nothing_is_pushed(
    team: Team, pr: Pr, github: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RULEGEN_GITHUB_TOKEN", "ghp_other")
    said = pr(code=3)
    assert said == "rulegen: GitHub: the token is not (or no longer) good (401): put a new one into the environment\n"
    assert not team.tip(team.branch)


def test_no_token(team: Team, pr: Pr, github: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RULEGEN_GITHUB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert "no token for github: put one into the environment as RULEGEN_GITHUB_TOKEN" in pr(code=2)


def test_down_half_way_and_the_next_run_carries_on(team: Team, pr: Pr, github: Forge) -> None:
    github.server.before = lambda method, path: (502, {"message": "Bad gateway"}) if method == "POST" else None
    said = pr(code=3)
    assert "QueueLong: failed" in said and "the next run carries on" in said
    assert github.state.pulls == []
    tip = team.tip(team.branch)
    assert tip  # the branch went out whole
    github.server.before = lambda method, path: None
    assert "QueueLong: opened" in pr()
    assert team.tip(team.branch) == tip and len(github.state.pulls) == 1


def test_the_rate_limit_is_waited_for_or_told(team: Team, pr: Pr, github: Forge) -> None:
    waits = iter(["1", "1"])

    def limited(method: str, path: str) -> Any:
        wait = next(waits, None) if method == "POST" else None
        text = "You have exceeded a secondary rate limit. Please wait."
        return None if wait is None else (403, {"message": text, "documentation_url": "x"}, {"Retry-After": wait})

    github.server.before = limited
    assert "QueueLong: opened" in pr()
    assert writes(github) == [("POST", f"/repos/{REPO}/pulls")] * 3
    waits = iter(["3600"] * 9)
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    said = pr(code=3)
    assert "QueueLong: failed  (GitHub: its rate limit is used up" in said


def test_what_github_finds_invalid_is_told(team: Team, pr: Pr, github: Forge) -> None:
    error = {"resource": "PullRequest", "code": "custom", "message": "body is too long"}
    answer = (422, {"message": "Validation Failed", "documentation_url": "x", "errors": [error]})
    github.server.before = lambda method, path: answer if method == "POST" else None
    assert "failed  (GitHub: rulegen/" in (said := pr(code=3)) and "Validation Failed: body is too long (422)" in said


def test_the_token_reaches_git_through_its_environment_alone(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    from rulegen.forge.git import Repository

    git(team.clone, "remote", "set-url", "origin", "https://forge.example/acme/rules.git")
    repository = Repository.at(team.clone, "origin", ("x-access-token", TOKEN))
    assert TOKEN not in repr(repository)
    shown = repository.text("config", "--get-urlmatch", "http.extraHeader", "https://forge.example/acme/rules.git")
    assert shown.startswith("Authorization: Basic ")
    other = repository._done("config", "--get-urlmatch", "http.extraHeader", "https://other.example/")
    assert other.stdout == b""
    assert TOKEN not in (team.clone / ".git/config").read_text()
