"""The branch of a request: built on the base without a work tree, and never over what somebody else put there.

A branch of ours is one commit on what the base was then, and its message ends with a line that names that base and
the commit's own tree. So what a person amended, added or put below is told from ours, whoever it says has made it,
and what the base held before it was written anew is not taken for a person's.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from rulegen.core.semantics import Semantics
from rulegen.emit import scalar
from rulegen.emit.testfile import file_name
from rulegen.errors import InputError, RulegenError
from rulegen.forge.claim import Claim
from rulegen.forge.find import change
from rulegen.forge.git import Author, Repository
from rulegen.ingest.rulefile import read_rules
from rulegen.ingest.unittests import read_unit_tests
from rulegen.ruletest import run

SEAL = "Rulegen-Seal:"
State = Literal["new", "same", "rebuilt", "theirs"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a branch should hold: ``files`` by path, of which ``rules`` are rule files. By a claim's id, ``tests``
    says where its unit tests stand, ``untested`` why they don't come along."""

    claims: tuple[Claim, ...]
    base: str
    files: dict[str, bytes]
    rules: tuple[str, ...]
    tests: dict[str, str] = field(default_factory=dict)
    untested: dict[str, str] = field(default_factory=dict)

    @property
    def goals(self) -> str:
        return ",".join(f"{one.id}:{one.start}:{one.goal}" for one in self.claims)


@dataclass(frozen=True, slots=True)
class Prepared:
    """``commit`` is to be pushed over ``tip`` (None: no branch yet) where the state is new or rebuilt."""

    state: State
    tip: str | None
    commit: str | None = None


def drafted(repository: Repository, base: str, claims: Sequence[Claim], tests: str) -> Draft:
    """The files of ``claims`` on top of the commit ``base``, with the unit tests in the directory ``tests`` ("" for
    none). Raises Left and Done, as :func:`~rulegen.forge.find.change` does."""
    changes = change(repository, base, claims)
    files = {path: one.after for path, one in changes.items()}
    draft = Draft(tuple(claims), base, files, tuple(changes))
    for claim in claims if tests else ():
        if not claim.test_text:
            draft.untested[claim.id] = "the history gives no case that can be told as a unit test"
            continue
        path = str(PurePosixPath(tests) / file_name(claim.id))
        home = next(one.path for one in changes.values() if claim.id in one.claims)
        text, why = _test(claim, path, home, files[home])
        if why:
            draft.untested[claim.id] = why
        else:
            draft.tests[claim.id] = path
            files[path] = text.encode("utf-8")
    return draft


def _test(claim: Claim, path: str, home: str, rules: bytes) -> tuple[str, str]:
    """The test file for ``path``, reading the rules in ``home``, and why it can't come along. What fails here would
    fail there, so it is run first."""
    lines = claim.test_text.split("\n")
    at = lines.index("rule_files:") + 1 if "rule_files:" in lines else 0
    if not at or not lines[at].strip().startswith(('- "../rules/', "- '../rules/", "- ../rules/")):
        return "", "promtool does not load the rule file as it is, so its unit tests stay in the output's tests/"
    lines[at] = f"  - {scalar.scalar(os.path.relpath(home, PurePosixPath(path).parent))}"
    text = "\n".join(lines)
    with tempfile.TemporaryDirectory(prefix="rulegen-test-") as folder:
        for place, content in ((home, rules), (path, text.encode("utf-8"))):
            file = Path(folder, place)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        try:
            file_read = read_unit_tests(Path(folder, path))
            found, _, problems = read_rules(file_read.rule_files)
            failures = () if problems else run(file_read, found, _semantics())
        except InputError as error:
            return "", f"its unit tests can't be read beside the repository's file: {str(error).splitlines()[0]}"
    if problems:
        return "", f"promtool does not load the file as it is ({problems[0].message})"
    if failures:
        return "", f"with the repository's other rules {len(failures)} of its checks fail"
    return text, ""


def _semantics() -> Semantics:
    return "open"


def prepared(repository: Repository, branch: str, draft: Draft, message: str, author: Author) -> Prepared:
    """What is to be done with ``branch``: nothing where it holds the same change and merges cleanly, or where a
    commit on it is not ours; else a commit to push."""
    tip = repository.tip(branch)
    if tip is not None and not repository.is_ancestor(tip, draft.base):
        seal = _seal(repository, tip)
        if seal is None:
            return Prepared("theirs", tip)
        below, goals = seal
        alike = goals == draft.goals and repository.is_ancestor(below, draft.base)
        if alike and all(repository.file(below, path) == repository.file(draft.base, path) for path in draft.rules):
            return Prepared("same", tip, tip)
    tree = repository.with_files(draft.base, draft.files)
    seal_line = f"{SEAL} {tree} {draft.base} {draft.goals}"
    commit = repository.commit(tree, draft.base, f"{message.rstrip()}\n\n{seal_line}\n", author)
    if commit == tip:
        return Prepared("same", tip, tip)
    return Prepared("new" if tip is None else "rebuilt", tip, commit)


def _seal(repository: Repository, commit: str) -> tuple[str, str] | None:
    """What a commit of ours stands on, and the goals that it was made for; None for one that is not, or no longer,
    ours."""
    lines = [line for line in repository.message(commit).splitlines() if line.startswith(SEAL)]
    parts = lines[-1].split() if lines else []
    if len(parts) != 4 or parts[1] != repository.tree(commit) or (parts[2],) != repository.parents(commit):
        return None
    return parts[2], parts[3]


def diff(repository: Repository, draft: Draft) -> str:
    """The whole change as a unified diff."""
    out: list[str] = []
    for path, after in sorted(draft.files.items()):
        before = repository.file(draft.base, path)
        old, new = (_lines(content) for content in (before or b"", after))
        source = "/dev/null" if before is None else f"a/{path}"
        out += difflib.unified_diff(old, new, source, f"b/{path}", n=2)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in out)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").splitlines(keepends=True)


def singly(repository: Repository, base: str, claims: Iterable[Claim]) -> dict[str, Exception]:
    """Which of ``claims`` can't go: by id, why (Left) or that it is there already (Done)."""
    found: dict[str, Exception] = {}
    for claim in claims:
        try:
            change(repository, base, [claim])
        except RulegenError:
            raise
        except Exception as error:
            found[claim.id] = error
    return found
