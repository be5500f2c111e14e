"""`rulegen review`: what a change of rules would have done, said on its request, and its exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import small
from conftest import Forge
from team import RULES, TEXT, Run, Team, git

Review = Callable[..., str]
HELD = TEXT.replace("expr: queue_length > 80\n", "expr: queue_length > 80\n        for: 2m\n")
DEAF = TEXT.replace("queue_length > 80", "queue_length > 99")
EAGER = TEXT.replace("queue_length > 80", "queue_length > 25")


@pytest.fixture
def review(team: Team, rulegen: Run) -> Review:
    history = ("--metrics", team.root / "metrics.om", "--incidents", team.root / "incidents.csv", "--lead", "0s")
    judged = ("--judged", f"{small.START}..{small.START + small.MINUTES * 60}")

    def call(*more: object, code: int = 0, rules: object = team.clone / "rules") -> str:
        where = ("--repo", team.clone, "--base", "main", "--rules", rules)
        done = rulegen("review", "--quiet", *history, *judged, *where, *more)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return call


def proposed(team: Team, text: str, path: str = RULES) -> None:
    """A person's branch with one commit, checked out."""
    git(team.clone, "checkout", "-q", "-b", "tuning", "main")
    (team.clone / path).parent.mkdir(exist_ok=True)
    (team.clone / path).write_text(text)
    git(team.clone, "add", "-A")
    git(team.clone, "commit", "-q", "-m", "Tuned")
    git(team.clone, "push", "-q", "origin", "tuning")


def test_a_quieter_rule_is_said_to_be_quieter(team: Team, review: Review) -> None:
    proposed(team, HELD)
    said = review()
    assert "Nothing that was caught is lost" in said
    assert f"| QueueLong (`{RULES}`) | for 0s → 2m | 19 → 1 | 16 → 0 | 1 → 1 |" in said
    assert "QueueGone" not in said  # it did not change
    assert str(team.root) not in said and "/tmp" not in said


def test_a_lost_incident_fails_it(team: Team, review: Review) -> None:
    proposed(team, DEAF)
    said = review(code=1)
    assert "- **1 no longer caught**: I-1" in said
    assert "1 no longer caught" in review("--fail-on", "noisier,unread")
    assert "1 no longer caught" in review("--fail-on", "none")


def test_more_noise_fails_where_it_is_asked_for(team: Team, review: Review) -> None:
    proposed(team, EAGER)
    review()
    review("--fail-on", "noisier", code=1)


def test_a_rule_that_can_not_be_judged_fails_it(team: Team, review: Review) -> None:
    proposed(team, TEXT.replace("queue_length > 80", "queue_length > on("))
    said = review(code=1)
    assert "could not be judged" in said and "QueueLong" in said


def test_new_files_and_what_is_no_rule(team: Team, review: Review) -> None:
    proposed(team, "hello", "rules/README.md")
    assert review() == "no rule file changed\n"
    (team.clone / "rules/more.yml").write_text(small.RULES.replace("QueueLong", "QueueLonger"))
    git(team.clone, "add", "-A")
    git(team.clone, "commit", "-q", "-m", "More")
    assert "| QueueLonger (`rules/more.yml`) | new | – → 19 |" in review()
    git(team.clone, "rm", "-q", "-r", "rules")
    git(team.clone, "commit", "-q", "-m", "None")
    assert "| removed | 19 → – |" in review(code=1)


def test_a_change_that_breaks_the_only_file(team: Team, review: Review) -> None:
    proposed(team, "groups: [" + TEXT)
    said = review(code=1)
    assert "could not be judged" in said and f"`{RULES}:" in said and "1 no longer caught" in said


def test_only_what_the_branch_changed_counts(team: Team, review: Review) -> None:
    """What main got since the branch left is not the branch's doing."""
    proposed(team, HELD)
    git(team.clone, "checkout", "-q", "main")
    (team.clone / RULES).write_text(TEXT.replace("QueueGone", "QueueAway"))
    git(team.clone, "commit", "-q", "-a", "-m", "Renamed")
    git(team.clone, "checkout", "-q", "tuning")
    said = review()
    assert "QueueLong" in said and "QueueAway" not in said


def test_names_are_quoted(team: Team, review: Review) -> None:
    proposed(team, TEXT.replace("alert: QueueLong", "alert: 'Queue @all | <img src=x>'"))
    said = review()
    assert "Queue \\@\u200ball \\\\| \\<img src=x\\>" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--base", "nowhere"), "nowhere: is no commit of this clone"),
        (("--head", "--output=x"), "--output=x: is no commit of this clone"),
        (("--fail-on", "everything"), "--fail-on: 'everything' is none of"),
        (("--request", "1"), "a plain git remote has no requests"),
        (("--rules", "/"), "lies outside of the repository"),
    ],
)
def test_what_can_not_be(team: Team, review: Review, more: tuple[str, str], words: str) -> None:
    proposed(team, HELD)
    assert words in review(*more, code=2)


def test_one_comment_on_github(team: Team, review: Review, github: Forge) -> None:
    proposed(team, HELD)
    number = github.state.by_hand("tuning", "Tuned")
    where = ("--forge", "github", "--request", str(number))
    assert f"/pull/{number}" in review(*where)
    (comment,) = github.state.comments
    assert comment["body"].startswith("<!-- rulegen:review -->\n### What these rules would have done")
    first = comment["body"]
    review(*where)
    (team.clone / RULES).write_text(DEAF)
    git(team.clone, "commit", "-q", "-a", "-m", "Deaf")
    review(*where, code=1)
    (comment,) = github.state.comments
    assert "no longer caught" in comment["body"] and comment["body"] != first


def test_one_comment_on_gitlab(team: Team, review: Review, gitlab: Forge) -> None:
    proposed(team, HELD)
    number = gitlab.state.by_hand("tuning", "Tuned")
    where = ("--forge", "gitlab", "--request", str(number))
    assert f"/{number}" in review(*where)
    review(*where)
    assert len(gitlab.state.notes) == 1


@pytest.mark.parametrize("app", [False, True])
def test_a_persons_comment_with_our_mark_stays(team: Team, review: Review, github: Forge, app: bool) -> None:
    """Somebody who writes it first would else hold what the review says in their own comment."""
    proposed(team, HELD)
    number = github.state.by_hand("tuning", "Tuned")
    theirs = github.state._comment(number, "<!-- rulegen:review -->\nAll is well")
    theirs["user"] = {**theirs["user"], "login": "mallory", "id": 9}
    refused = (403, {"message": "Resource not accessible by integration", "documentation_url": "x", "status": "403"})
    if app:  # as the token of GitHub Actions
        github.server.before = lambda method, path: refused if path == "/user" else None
    where = ("--forge", "github", "--request", str(number))
    review(*where)
    ours = github.state.comments[1]
    if app:
        ours["user"] = {**ours["user"], "login": "github-actions[bot]", "type": "Bot"}
    (team.clone / RULES).write_text(DEAF)
    git(team.clone, "commit", "-q", "-a", "-m", "Deaf")
    review(*where, code=1)
    assert len(github.state.comments) == 2
    assert theirs["body"].endswith("All is well") and "no longer caught" in ours["body"]


def test_a_persons_note_with_our_mark_stays(team: Team, review: Review, gitlab: Forge) -> None:
    proposed(team, HELD)
    number = gitlab.state.by_hand("tuning", "Tuned")
    note = {"id": 1, "body": "<!-- rulegen:review -->\nAll is well", "author": {"id": 9, "username": "mallory"}}
    note |= {"created_at": "2026-03-01T00:00:00Z", "system": False}
    gitlab.state.notes.append({**note, "noteable_id": number, "noteable_type": "MergeRequest"})
    for _ in range(2):
        review("--forge", "gitlab", "--request", str(number))
    assert len(gitlab.state.notes) == 2 and gitlab.state.notes[0]["body"].endswith("All is well")


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_nothing_is_replayed_for_a_fork(
    team: Team, review: Review, request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge: Forge = request.getfixturevalue(kind)
    proposed(team, HELD)
    number = forge.state.by_hand("tuning", "Tuned")
    if kind == "github":
        forge.state.pulls[0]["from"] = "mallory/rules"
    else:
        forge.state.requests[0]["source_project_id"] = 2
    monkeypatch.setattr("rulegen.cli.reviewing.read", lambda *_: pytest.fail("the history was read"))
    said = review("--forge", kind, "--request", str(number), code=2)
    assert f"request {number} comes from a fork: nothing with secrets is run" in said
    assert not (forge.state.comments if kind == "github" else forge.state.notes)
    assert all(method == "GET" for method, _ in forge.server.calls)


def test_a_request_that_is_not_there(team: Team, review: Review, github: Forge) -> None:
    proposed(team, HELD)
    assert "pull request 77: not found" in review("--forge", "github", "--request", "77", code=3)
    assert not Path("out").exists()


def test_a_change_of_very_much_is_told_as_far_as_there_is_room(team: Team, review: Review, github: Forge) -> None:
    rule = small.RULES.split("    rules:\n")[1]
    more = (rule.replace("QueueLong", f"Queue{number}{'@x|' * 2000}") for number in range(60))
    proposed(team, f"{small.RULES}{''.join(more)}", "rules/more.yml")
    number = github.state.by_hand("tuning", "Tuned")
    review("--forge", "github", "--request", str(number))
    (comment,) = github.state.comments
    assert len(comment["body"]) < 65_536 and "Queue0" in comment["body"] and "</sub>" in comment["body"]
    assert "more lines, for which there is no room here" in comment["body"] or "… and 11 more" in comment["body"]
