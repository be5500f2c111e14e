"""Requests to merge, in order: read the claims, find the forge, publish, show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from rulegen.cli.progress import watching
from rulegen.desk import Progress
from rulegen.emit.words import one_line
from rulegen.errors import InputError
from rulegen.forge import Claims, Plan, Published, connect, publish, read_claims
from rulegen.forge.git import Author

FINE, PROBLEM = 0, 3
TEXTS = "requests"  # below --out: the texts of requests that are no more than a branch
_AUTHOR = re.compile(r"\s*([^<>\n]+?)\s*<([^<>\s]+)>\s*")


def plan_of(tests: str, batch: bool, limit: int, author: str, dry: bool) -> Plan:
    """Raises InputError for what can't be."""
    found = _AUTHOR.fullmatch(author)
    if found is None:
        raise InputError(f"--author: {author!r} is not written as Name <mail@example.org>")
    path = PurePosixPath(tests)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"--tests-dir: {tests} has to lie in the repository: give a path from its top")
    if limit < 1:
        raise InputError(f"--max-open: {limit} is too few; give 1 or more")
    return Plan(limit, batch, tests, Author(found[1], found[2]), dry)


def perform(out: Path, repo: Path, remote: str, forge: str, base: str, plan: Plan, *, quiet: bool) -> int:
    """Prints what became of each suggestion, and gives the exit code. Raises RulegenError."""
    claims = read_claims(out)
    with watching(quiet) as progress:
        found = requested(claims, out / TEXTS, repo, remote, forge, base, plan, progress)
    for line in shown(found, claims, plan.dry):
        print(line)
    return PROBLEM if any(one.failed for one in found) else FINE


def requested(
    claims: Claims, texts: Path, repo: Path, remote: str, forge: str, base: str, plan: Plan, progress: Progress
) -> tuple[Published, ...]:
    """What became of each of ``claims``; ``texts`` takes the texts of requests that are but a branch. Raises
    RulegenError."""
    repository, host = connect(repo, remote, forge, base, texts)
    return publish(repository, host, claims, plan, lambda what: progress(what, 0, 1))


def shown(found: Sequence[Published], claims: Claims, dry: bool) -> Iterator[str]:
    """One line for each suggestion; in a dry run also the whole of each request, once."""
    told: set[str] = set()
    for one in found:
        if dry and one.body and one.body not in told:
            told.add(one.body)
            yield from ("", f"=== {one.title}", "", *one.body.splitlines(), "", *one.diff.splitlines(), "")
    for one in found:
        words = {"opened": "would be opened", "updated": "would be updated"} if dry else {}
        end = " ".join(filter(None, (one.url, f"({one_line(one.why)})" if one.why else "")))
        yield f"{one.id}  {one_line(one.name)}: {words.get(one.status, one.status)}{f'  {end}' if end else ''}"
    if not found:
        yield "nothing to propose: no suggestion was accepted"
    if claims.routing:
        yield (
            f"{claims.routing} accepted changes of Alertmanager's configuration are not proposed: "
            "see alertmanager/ in the output"
        )
