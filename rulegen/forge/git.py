"""git, as far as a request needs it: objects, refs and pushes. The work tree, the index and HEAD are never touched.

Everything happens in the object database and under ``refs/rulegen/``; a dirty work tree stays as it is.
"""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rulegen.errors import InputError, RulegenError, UpstreamError
from rulegen.forge.host import PREFIX, HostError

_RECORDS = "refs/rulegen/requests/"
NETWORK_SECONDS = 120
LOCAL_SECONDS = 60
_REFUSED = ("protected branch", "hook declined", "[remote rejected]", "not allowed to push", "GH006", "GH013")
_LEASE = ("stale info", "[rejected]", "non-fast-forward", "fetch first", "cannot lock ref")
_NO_ENTRY = ("could not read Username", "Authentication failed", "Permission denied", "HTTP Basic: Access denied")
_FULL = ("No space left on device", "Disk quota exceeded")
_NO_ROOM = 64 << 10  # bytes: git does not always say why it could not write


@dataclass(frozen=True, slots=True)
class Author:
    name: str = "rulegen"
    email: str = "rulegen@localhost"


@dataclass(frozen=True, slots=True)
class Repository:
    """The user's clone at ``top``, and the name of the ``remote`` that requests go to.

    ``secret`` (user, token) is for an https remote; it reaches git through its environment alone, and only for that
    remote's own host.
    """

    top: Path
    remote: str = "origin"
    secret: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def at(cls, folder: Path, remote: str, secret: tuple[str, str] | None = None) -> Repository:
        """Raises InputError for a folder in no repository, and for one without that remote."""
        probe = cls(folder, remote)
        try:
            top = Path(probe.text("rev-parse", "--show-toplevel"))
        except RulegenError as error:
            raise InputError(f"{folder}: is in no git repository ({error})") from None
        found = cls(top, remote, secret)
        try:
            _ = found.url
        except RulegenError:
            named = ", ".join(found.text("remote").split()) or "none"
            raise InputError(f"{top}: has no remote called {remote} (there is {named}); see --remote") from None
        return found

    @property
    def url(self) -> str:
        return self.text("remote", "get-url", "--push", self.remote)

    # What is there

    def fetch(self, base: str) -> None:
        """Brings the remote's ``base`` and all that is ours there up to date. A shallow clone, as CI makes them, is
        completed: whose commits are on a branch can't be told in one. Raises UpstreamError, InputError."""
        here = f"refs/rulegen/{self.remote}"
        shallow = self.text("rev-parse", "--is-shallow-repository") == "true"
        self.run(
            "fetch",
            *(["--unshallow"] if shallow else []),
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--prune",
            "--refmap=",
            self.remote,
            f"+refs/heads/{base}:{here}/base/{base}",
            f"+refs/heads/{PREFIX}*:{here}/{PREFIX}*",
            f"+{_RECORDS}*:{here}/requests/*",
            timeout=NETWORK_SECONDS * (5 if shallow else 1),
        )

    def base(self, name: str) -> str:
        """The commit of the base as it was fetched."""
        return self.text("rev-parse", "--verify", f"refs/rulegen/{self.remote}/base/{name}^{{commit}}")

    def tip(self, branch: str) -> str | None:
        """The commit of a fetched branch of ours (``rulegen/…``); None where the remote has none."""
        return self._commit(f"refs/rulegen/{self.remote}/{branch}")

    def record(self, id: str) -> str | None:
        """The commit in which a remote without a forge remembers the request for ``id``."""
        return self._commit(f"refs/rulegen/{self.remote}/requests/{id}")

    def resolved(self, name: str) -> str:
        """The commit that people call ``name`` here: a branch, also one of the remote, a tag or a commit. Raises
        InputError where there is none."""
        names = (name, f"refs/remotes/{self.remote}/{name}")
        found = None if name.startswith("-") else next(filter(None, map(self._commit, names)), None)
        if found is None:
            raise InputError(f"{name}: is no commit of this clone; is it fetched (git fetch {self.remote})?")
        return found

    def default_branch(self) -> str:
        """What the remote's HEAD points to. Raises InputError where it does not say."""
        found = self.run("ls-remote", "--symref", self.remote, "HEAD", timeout=NETWORK_SECONDS).decode()
        for line in found.splitlines():
            if line.startswith("ref: refs/heads/"):
                return line.split()[1].removeprefix("refs/heads/")
        raise InputError(f"{self.remote}: does not say which branch is its default; give --base")

    def branches(self) -> tuple[str, ...]:
        """All fetched branches of ours, sorted."""
        here = f"refs/rulegen/{self.remote}/"
        names = self.text("for-each-ref", "--format=%(refname)", here + PREFIX.rstrip("/"))
        return tuple(sorted(name.removeprefix(here) for name in names.split()))

    def file(self, commit: str, path: str) -> bytes | None:
        """The content of ``path`` in ``commit``; None where there is none, or no plain file."""
        entry = self.text("ls-tree", commit, "--", path)
        mode, kind = entry.split()[:2] if entry else ("", "")
        if kind != "blob" or not mode.startswith("100"):
            return None
        return self.run("cat-file", "blob", entry.split()[2])

    def files(self, commit: str) -> tuple[str, ...]:
        """All paths in ``commit``."""
        return tuple(
            self.run("ls-tree", "-r", "-z", "--name-only", commit).decode("utf-8", "surrogateescape").split("\0")
        )[:-1]

    def holding(self, commit: str, text: str) -> tuple[str, ...]:
        """The paths in ``commit`` of files that hold ``text`` literally."""
        arguments = ("grep", "-l", "-z", "-I", "-F", "-e", text, commit)
        found = self.run(*arguments, allowed=(0, 1)).decode("utf-8", "surrogateescape")
        return tuple(name.removeprefix(f"{commit}:") for name in found.split("\0") if name)

    def is_ancestor(self, older: str, newer: str) -> bool:
        done = self._done("merge-base", "--is-ancestor", older, newer)
        return done.returncode == 0

    def fork(self, base: str, tip: str) -> str | None:
        """Where ``tip`` left ``base``; None for unrelated ones (or a clone too shallow to know)."""
        found = self.run("merge-base", base, tip, allowed=(0, 1)).decode().split()
        return found[0] if found else None

    def parents(self, commit: str) -> tuple[str, ...]:
        return tuple(self.text("rev-list", "--parents", "-n", "1", commit).split()[1:])

    def message(self, commit: str) -> str:
        return self.text("show", "-s", "--format=%B", commit)

    def tree(self, commit: str) -> str:
        return self.text("rev-parse", f"{commit}^{{tree}}")

    # What is made

    def with_files(self, commit: str, files: Mapping[str, bytes]) -> str:
        """The tree of ``commit`` with ``files`` (by path) in it. A file that was there keeps its mode."""
        with tempfile.TemporaryDirectory(prefix="rulegen-index-") as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.run("read-tree", commit, env=env)
            for path, content in files.items():
                blob = self.run("hash-object", "-w", "--stdin", given=content).decode().strip()
                mode = (self.text("ls-tree", commit, "--", path).split() or ["100644"])[0]
                self.run("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", env=env)
            return self.run("write-tree", env=env).decode().strip()

    def tree_of(self, files: Mapping[str, bytes]) -> str:
        """A tree of nothing but ``files`` (by name)."""
        blobs = {name: self.run("hash-object", "-w", "--stdin", given=content) for name, content in files.items()}
        lines = [f"100644 blob {blob.decode().strip()}\t{name}\n" for name, blob in sorted(blobs.items())]
        return self.run("mktree", given="".join(lines).encode()).decode().strip()

    def commit(self, tree: str, parent: str | None, message: str, author: Author, when: str = "") -> str:
        """A commit, dated as its parent, so that the same change of the same base is the same commit."""
        when = when or self.text("show", "-s", "--format=%cI", parent or "HEAD")
        env = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", author.name), ("EMAIL", author.email), ("DATE", when))
        }
        parents = ("-p", parent) if parent else ()
        arguments = ("commit-tree", "--no-gpg-sign", *parents, "-F", "-", tree)
        return self.run(*arguments, given=message.encode("utf-8", "replace"), env=env).decode().strip()

    def push(self, commit: str, branch: str, expected: str | None) -> None:
        """Puts ``branch`` of the remote at ``commit``, if it still is where it was ``expected`` (None: nowhere).

        Raises HostError when the remote refuses it or somebody else was there first.
        """
        self._put(commit, f"refs/heads/{branch}", branch, expected)

    def put_record(self, id: str, commit: str, expected: str | None) -> None:
        """As :meth:`push`, for what :meth:`record` gives."""
        self._put(commit, f"{_RECORDS}{id}", f"requests/{id}", expected)

    def _put(self, commit: str, ref: str, here: str, expected: str | None) -> None:
        lease = f"--force-with-lease={ref}:{expected or ''}"
        # The user's own hooks are about the user's work, which this is not.
        arguments = ("push", "--quiet", "--no-verify", lease, self.remote, f"{commit}:{ref}")
        self.run(*arguments, timeout=NETWORK_SECONDS)
        self.run("update-ref", f"refs/rulegen/{self.remote}/{here}", commit)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises RulegenError when another run is at work in this repository."""
        path = Path(self.text("rev-parse", "--path-format=absolute", "--git-common-dir")) / "rulegen.lock"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RulegenError(
                    f"{self.top}: another rulegen is at work here; try again when it is done"
                ) from None
            yield

    # How git is run

    def text(self, *arguments: str) -> str:
        return self.run(*arguments).decode("utf-8", "replace").strip()

    def run(
        self,
        *arguments: str,
        given: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: int = LOCAL_SECONDS,
        allowed: Sequence[int] = (0,),
    ) -> bytes:
        """What ``git ARGUMENTS`` prints. Raises UpstreamError for a remote, HostError for what it refused,
        InputError for a full disk or a missing git, RulegenError for the rest."""
        done = self._done(*arguments, given=given, env=env, timeout=timeout)
        if done.returncode not in allowed:
            raise self._failure(arguments[0], done.stderr.decode("utf-8", "replace"))
        return done.stdout

    def _commit(self, ref: str) -> str | None:
        done = self._done("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return done.stdout.decode().strip() or None

    def _done(
        self,
        *arguments: str,
        given: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: int = LOCAL_SECONDS,
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", "-C", str(self.top), *arguments],
                input=given,
                capture_output=True,
                timeout=timeout,
                env={**_environment(), **self._login(), **(env or {})},
                check=False,
            )
        except FileNotFoundError:
            raise InputError("git is not installed, or not on the PATH") from None
        except subprocess.TimeoutExpired:
            raise UpstreamError(f"git {arguments[0]}: no answer within {timeout}s") from None

    def _login(self) -> dict[str, str]:
        """A header for the remote's host only, in the environment: seen by no other user, and written nowhere."""
        if self.secret is None:
            return {}
        url = urlsplit(self._bare_url())
        if url.scheme not in ("http", "https"):
            return {}
        pair = base64.b64encode(":".join(self.secret).encode()).decode()
        host = url.netloc.rpartition("@")[2]
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{url.scheme}://{host}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {pair}",
        }

    def _bare_url(self) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.top), "remote", "get-url", "--push", self.remote],
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=LOCAL_SECONDS,
            check=False,
        )
        return done.stdout.strip()

    def _failure(self, command: str, said: str) -> RulegenError:
        text = self._shown(said)
        if any(sign in said for sign in _FULL) or ("write" in said and shutil.disk_usage(self.top).free < _NO_ROOM):
            return RulegenError(
                f"git {command}: the disk is full: {text}; nothing was pushed, make room and run again"
            )
        if command in ("push", "fetch"):
            if any(sign in said for sign in _NO_ENTRY):
                return UpstreamError(
                    f"git {command}: {self.remote} does not let us in: {text}; is the token still good?"
                )
            if command == "push" and any(sign in said for sign in _REFUSED):
                return HostError(f"git push: {self.remote} refused it: {text}")
            if command == "push" and any(sign in said for sign in _LEASE):
                return HostError(f"git push: somebody else changed the branch meanwhile: {text}")
            if "couldn't find remote ref" in said:
                return InputError(f"git fetch: {self.remote}: {text}; see --base")
            return UpstreamError(f"git {command}: {self.remote}: {text}")
        return RulegenError(f"git {command}: {text}")

    def _shown(self, said: str) -> str:
        """What git said, in one line, without secrets that a URL may hold."""
        lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("hint:")]
        text = "; ".join(line.removeprefix("remote: ").removeprefix("fatal: ") for line in lines[:6])
        for secret in (*(self.secret or ()),):
            if len(secret) > 7:
                text = text.replace(secret, "***")
        return text or "failed"


def _environment() -> dict[str, str]:
    """The user's, without what would lead git elsewhere or ask on a terminal, and with messages in English, by which
    failures are told apart."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith("GIT_SSH")
    }
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
