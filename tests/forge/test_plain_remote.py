"""A bare repository and nothing else: the remote itself remembers what was asked and what people said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import disk
from team import RULES, TEXT, Run, Team, git

Pr = Callable[..., str]


@pytest.fixture
def pr(team: Team, rulegen: Run) -> Pr:
    """`rulegen pr` on the team's clone → what it printed; ``code`` is the exit code that is expected."""

    def call(*more: object, code: int = 0) -> str:
        done = rulegen("pr", "--quiet", "--out", team.out, "--repo", team.clone, "--forge", "git", *more)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    return call


def test_opened_with_the_smallest_diff_its_tests_and_its_text(team: Team, pr: Pr) -> None:
    assert f"{team.id}  QueueLong: opened  origin/{team.branch}" in pr()
    new = team.remote_file(team.branch)
    kept = [line for line in new.splitlines() if line in TEXT.splitlines()]
    assert len(kept) >= len(TEXT.splitlines()) - 1  # one line may have changed; every comment and quote stands
    assert "# rulegen: " + team.id in new
    body = (team.out / "requests" / f"{team.id}.md").read_text()
    for words in (
        "### What the evidence can't say",
        "### Reproduce it",
        "| noisy pages a week |",
        "before ",
        "after ",
    ):
        assert words in body
    test = team.remote_file(team.branch, f"tests/rulegen/{team.id}.yml")
    assert f"../../{RULES}" in test
    assert git(team.bare, "log", "-1", "--format=%an %ae", team.branch) == "rulegen rulegen@localhost"


def test_the_unit_tests_pass_promtool(team: Team, pr: Pr, promtool: str, tmp_path: Path) -> None:
    import subprocess

    pr()
    git(tmp_path, "clone", "-q", "-b", team.branch, str(team.bare), "there")
    done = subprocess.run(
        [promtool, "test", "rules", f"tests/rulegen/{team.id}.yml"],
        cwd=tmp_path / "there",
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_again_is_unchanged(team: Team, pr: Pr) -> None:
    pr()
    before = git(team.bare, "for-each-ref")
    assert f"{team.id}  QueueLong: unchanged" in pr()
    assert git(team.bare, "for-each-ref") == before


def test_updated_when_the_change_is_another(team: Team, pr: Pr) -> None:
    pr()
    first = team.tip(team.branch)
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    assert "QueueLong: updated" in pr()
    assert team.tip(team.branch) != first
    assert "for: 4m" in team.remote_file(team.branch)
    assert len(git(team.bare, "rev-list", f"main..{team.branch}").split()) == 1


def test_new_figures_alone_leave_the_branch(team: Team, pr: Pr) -> None:
    pr()
    first = team.tip(team.branch)
    team.edit(lambda one: one["evidence"]["whole"].update({"pages": [40, 1]}))
    assert "QueueLong: updated" in pr()
    assert team.tip(team.branch) == first
    assert "noisy pages avoided a week" in (team.out / "requests" / f"{team.id}.md").read_text()


def test_merged_is_done(team: Team, pr: Pr) -> None:
    pr()
    git(team.bare, "update-ref", "refs/heads/main", team.tip(team.branch))
    git(team.bare, "update-ref", "-d", f"refs/heads/{team.branch}")
    assert "QueueLong: merged" in pr()
    assert not team.tip(team.branch)


def test_deleted_is_a_no_until_the_evidence_is_markedly_stronger(team: Team, pr: Pr) -> None:
    pr()
    git(team.bare, "update-ref", "-d", f"refs/heads/{team.branch}")
    assert "QueueLong: declined" in pr()
    team.edit(lambda one: one["evidence"]["whole"].update({"pages": [18, 1]}))
    assert "QueueLong: declined" in pr()
    team.edit(lambda one: one["evidence"]["whole"].update({"pages": [60, 1]}))
    assert "QueueLong: opened" in (said := pr()) and "asked again: it would cut" in said


def test_a_persons_commit_is_never_overwritten(team: Team, pr: Pr) -> None:
    pr()
    theirs = team.commit(team.branch, RULES, TEXT.replace("> 80", "> 90"))
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    assert "QueueLong: theirs" in pr()
    assert team.tip(team.branch) == theirs


def test_a_commit_of_ours_that_a_person_amended_is_theirs(team: Team, pr: Pr) -> None:
    pr()
    other = team.root / "amender"
    git(team.root, "clone", "-q", "-b", team.branch, str(team.bare), str(other))
    (other / RULES).write_text(TEXT.replace("> 80", "> 90"))
    git(other, "commit", "-q", "-a", "--amend", "--no-edit", person="rulegen")
    git(other, "push", "-q", "-f", "origin", f"HEAD:{team.branch}")
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    assert "QueueLong: theirs" in pr()


def test_a_dirty_work_tree_stays_as_it_is(team: Team, pr: Pr) -> None:
    (team.clone / RULES).write_text("half a thou")
    (team.clone / "new").write_text("untracked")
    git(team.clone, "add", "new")
    before = git(team.clone, "status", "--porcelain"), git(team.clone, "rev-parse", "HEAD")
    assert "QueueLong: opened" in pr()
    assert (git(team.clone, "status", "--porcelain"), git(team.clone, "rev-parse", "HEAD")) == before
    assert (team.clone / RULES).read_text() == "half a thou"
    assert git(team.clone, "branch", "--list", "rulegen/*") == ""


def test_a_rule_that_changed_since_is_left_with_the_reason(team: Team, pr: Pr) -> None:
    team.commit("main", RULES, TEXT.replace("> 80", "> 82"))
    assert "QueueLong: left" in (said := pr())
    assert "is not there as it was when the history was read" in said
    assert not team.tip(team.branch)


def test_what_moved_or_changed_beside_it_does_not_matter(team: Team, pr: Pr) -> None:
    above = "    rules:\n      - alert: Other\n        expr: vector(0) > 1\n"
    team.commit("main", RULES, TEXT.replace("    rules:\n", above))
    assert "QueueLong: opened" in pr()
    assert "alert: Other" in team.remote_file(team.branch)


def test_a_conflict_with_the_base_is_built_anew(team: Team, pr: Pr) -> None:
    pr()
    first = team.tip(team.branch)
    team.commit("main", RULES, TEXT.replace('summary: "{{', 'summary: "!{{').replace("for: 10m", "for: 20m"))
    team.edit(lambda one: one["rule"]["annotations"].update(summary="!{{ $labels.queue }} is long"))
    team.edit(lambda one: one["rules"][0]["annotations"].update(summary="!{{ $labels.queue }} is long"))
    assert "QueueLong: updated" in pr()
    assert team.tip(team.branch) != first
    assert "for: 20m" in team.remote_file(team.branch)
    assert git(team.bare, "merge-base", "main", team.branch) == team.tip("main")


def test_the_base_has_it_already(team: Team, pr: Pr) -> None:
    pr()
    team.commit("main", RULES, team.remote_file(team.branch), "squashed")
    git(team.bare, "update-ref", "-d", f"refs/heads/{team.branch}")
    assert "QueueLong: there" in pr()


def test_dry_run_shows_all_and_does_nothing(team: Team, pr: Pr) -> None:
    before = git(team.bare, "for-each-ref")
    said = pr("--dry-run")
    assert "QueueLong: would be opened" in said
    assert "### Reproduce it" in said and f"+++ b/{RULES}" in said
    assert git(team.bare, "for-each-ref") == before
    assert not (team.out / "requests").exists()


def test_a_protected_branch_is_one_clear_message(team: Team, pr: Pr) -> None:
    hook = team.bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed'; exit 1\n")
    hook.chmod(0o755)
    said = pr(code=3)
    assert "QueueLong: failed  (git push: origin refused it:" in said and "GH006" in said
    assert git(team.bare, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    hook.unlink()
    assert "QueueLong: opened" in pr()


def test_killed_between_push_and_request_goes_on(team: Team, pr: Pr) -> None:
    pr()
    git(team.bare, "update-ref", "-d", f"refs/rulegen/requests/{team.id}")
    first = team.tip(team.branch)
    assert "QueueLong: opened" in pr()
    assert team.tip(team.branch) == first


def test_a_generated_file_is_left_with_the_reason(team: Team, pr: Pr) -> None:
    team.commit("main", RULES, "# Code generated by jsonnet. DO NOT EDIT.\n" + TEXT)
    assert "says that it is generated" in pr()


def test_jsonnet_and_helm_are_left_with_the_reason(team: Team, pr: Pr) -> None:
    team.commit("main", "mixin/alerts.libsonnet", "{ alert: 'QueueLong' }")
    assert "mixin/alerts.libsonnet (jsonnet)" in pr()
    team.commit("main", "mixin/alerts.libsonnet", "{}")
    helm = "{{- if .Values.rules }}\ngroups:\n  - name: queues\n    rules:\n      - alert: QueueLong\n{{- end }}\n"
    team.commit("main", RULES, helm)
    assert "template (Helm?)" in pr()


def test_rules_that_came_from_a_server_are_found_in_the_repository(team: Team, pr: Pr) -> None:
    team.edit(lambda one: one["replaces"].update(path="/etc/prometheus/queues.yml", home=None))
    assert "QueueLong: opened" in pr()


def test_one_at_a_time(team: Team, pr: Pr) -> None:
    from rulegen.forge.git import Repository

    with Repository.at(team.clone, "origin").alone():
        assert "another rulegen is at work" in pr(code=1)


@pytest.mark.parametrize("what", ["clone", "out"])
def test_a_full_disk_does_nothing_half(team: Team, pr: Pr, tmp_path: Path, what: str) -> None:
    with disk(tmp_path / "disk", 8) as small:
        shutil.copytree(team.root / what, small.path / what, symlinks=True)
        shutil.rmtree(team.root / what)
        (team.root / what).symlink_to(small.path / what)
        filler = small.fill()
        said = pr(code=1)
        assert said.count("\n") == 1 and ("disk is full" in said or "No space left" in said) and "run again" in said
        if what == "clone":
            assert git(team.bare, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
        else:
            assert not list((team.out / "requests").glob("*.md"))
        filler.unlink()
        assert "QueueLong: opened" in pr()
        assert "QueueLong: unchanged" in pr()


def rewritten(team: Team) -> None:
    """main anew, without its last commit, as after a forced push."""
    git(team.clone, "fetch", "-q", "origin")
    git(team.clone, "checkout", "-q", "-B", "anew", "origin/main~1")
    (team.clone / "note").write_text("anew")
    git(team.clone, "add", "note")
    git(team.clone, "commit", "-q", "-m", "Anew")
    git(team.clone, "push", "-q", "-f", "origin", "anew:main")


def test_a_main_that_was_written_anew_is_no_persons_commit(team: Team, pr: Pr) -> None:
    team.commit("main", "secret.txt", "pushed by mistake")
    pr()
    rewritten(team)
    assert "QueueLong: updated" in pr()
    assert git(team.bare, "rev-list", f"main..{team.branch}") == team.tip(team.branch)  # ours alone, on the new main
    assert "QueueLong: unchanged" in pr()


def test_a_main_without_any_common_commit(team: Team, pr: Pr) -> None:
    pr()
    git(team.clone, "checkout", "-q", "--orphan", "other")
    git(team.clone, "commit", "-q", "-m", "Without a past")
    git(team.clone, "push", "-q", "-f", "origin", "other:main")
    assert "QueueLong: updated" in pr()
    assert git(team.bare, "rev-list", f"main..{team.branch}") == team.tip(team.branch)


def test_a_persons_commit_below_ours_is_never_overwritten(team: Team, pr: Pr) -> None:
    """Ours is picked onto theirs, with the same files in the end: its seal alone would not tell."""
    pr()
    other = team.root / "picker"
    git(team.root, "clone", "-q", "-b", team.branch, str(team.bare), str(other))
    ours = git(other, "rev-parse", "HEAD")
    git(other, "checkout", "-q", "-B", "picked", "origin/main")
    git(other, "commit", "-q", "--allow-empty", "-m", "Ann was here")
    git(other, "cherry-pick", ours)
    git(other, "push", "-q", "-f", "origin", f"HEAD:{team.branch}")
    tip = team.tip(team.branch)
    rewritten_base = team.commit("main", "note", "x")
    assert rewritten_base != tip
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    assert "QueueLong: theirs" in pr()
    assert team.tip(team.branch) == tip


def test_a_shallow_clone_does_as_a_whole_one(team: Team, pr: Pr, rulegen: Run) -> None:
    team.commit("main", "note", "one")
    pr()
    team.commit("main", "note", "two")
    shallow = team.root / "shallow"
    git(team.root, "clone", "-q", "--depth", "1", f"file://{team.bare}", str(shallow))
    team.edit(lambda one: one["rules"][0].update({"for": "4m"}))
    done = rulegen("pr", "--quiet", "--out", team.out, "--repo", shallow, "--forge", "git")
    assert "QueueLong: updated" in done.stdout, done.stdout + done.stderr
    assert "for: 4m" in team.remote_file(team.branch)
