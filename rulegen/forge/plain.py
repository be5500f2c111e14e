"""Any git remote, without a forge: a pushed branch is a request, and its text is a file beside the output.

The remote itself remembers, under ``refs/rulegen/requests/<id>``: a commit for each version of a request, holding its
title, its text and which commit was pushed. A branch that is gone was merged, or else people said no by deleting it.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from rulegen.errors import RulegenError
from rulegen.forge.git import Author, Repository
from rulegen.forge.host import PREFIX, Request, State

_PARTS = ("title", "body.md", "comment.md", "head")


class PlainHost:
    """``folder`` is where the texts go, as ``<id>.md``. Every call looks at what was fetched last."""

    name = "git"
    noun = "branch"

    def __init__(self, repository: Repository, base: str, folder: Path) -> None:
        """Raises UpstreamError when the remote can't be reached, InputError when it lacks ``base``."""
        self.repository, self.base, self.folder = repository, base, folder
        repository.fetch(base)

    def requests(self, branch: str) -> tuple[Request, ...]:
        record = self.repository.record(branch.removeprefix(PREFIX))
        if record is None:
            return ()
        title, body, _, head = self._read(record)
        base = self.repository.base(self.base)
        state: State = "closed"
        if self.repository.tip(branch) is not None:
            state = "open"
        elif self.repository.is_ancestor(head.strip(), base):
            state = "merged"
        number = int(self.repository.text("show", "-s", "--format=%ct", record))
        return (Request(number, f"{self.repository.remote}/{branch}", state, branch, title.strip(), body),)

    def open(self) -> tuple[Request, ...]:
        found = (one for branch in self.repository.branches() for one in self.requests(branch))
        return tuple(one for one in found if one.state == "open")

    def create(self, branch: str, title: str, body: str) -> Request:
        self._record(branch, title, body, "")
        return self.requests(branch)[0]

    def update(self, request: Request, title: str, body: str) -> None:
        record = self.repository.record(request.branch.removeprefix(PREFIX))
        self._record(request.branch, title, body, self._read(record)[2] if record else "")

    def comment(self, request: Request, text: str) -> None:
        self._record(request.branch, request.title, request.body, text)

    def _read(self, record: str) -> tuple[str, str, str, str]:
        parts = [(self.repository.file(record, name) or b"").decode("utf-8", "replace") for name in _PARTS]
        return parts[0], parts[1], parts[2], parts[3]

    def _record(self, branch: str, title: str, body: str, comment: str) -> None:
        id = branch.removeprefix(PREFIX)
        self._write(id, f"# {title}\n\n{body}" + (f"\n---\n\n{comment}\n" if comment else ""))
        head = self.repository.tip(branch) or ""
        parts = dict(zip(_PARTS, (title, body, comment, head), strict=True))
        old = self.repository.record(id)
        tree = self.repository.tree_of({name: text.encode("utf-8") for name, text in parts.items()})
        if old is not None and self.repository.tree(old) == tree:
            return
        commit = self.repository.commit(tree, old, f"{title}\n", Author(), when=f"@{int(time.time())} +0000")
        self.repository.put_record(id, commit, old)

    def _write(self, id: str, text: str) -> None:
        """Whole or not at all, so that a full disk leaves no half of a text."""
        temporary = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=f".{id}.")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.folder / f"{id}.md")
        except OSError as error:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise RulegenError(
                f"{self.folder / f'{id}.md'}: cannot be written: {error.strerror}; make room and run again"
            ) from None
