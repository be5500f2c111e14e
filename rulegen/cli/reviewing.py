"""One review, in order: both sides out of git, one history, two replays, the comment."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from rulegen.backtest import backtest
from rulegen.cli.history import read
from rulegen.cli.perform import tell
from rulegen.cli.progress import watching
from rulegen.cli.replaying import engine_over, with_unread
from rulegen.cli.sources import Sources, check
from rulegen.core.settings import Settings
from rulegen.emit.review import WHAT, Reviewed, review
from rulegen.errors import InputError
from rulegen.forge.git import Repository
from rulegen.forge.host import Reviewer
from rulegen.forge.remote import connect, kind_of
from rulegen.ingest.alertmanager import read_alertmanager

FINE, FINDING = 0, 1
_YAML = (".yml", ".yaml")
# A rule of no effect beside those of each side: one that has no rule, or none that can be read, is no error.
_STAND_IN = (
    "rulegen stand-in.yml",
    "groups: [{name: rulegen, rules: [{record: 'rulegen:stand_in', expr: vector(0)}]}]\n",
)


@dataclass(frozen=True, slots=True)
class Change:
    """The clone at ``repo``, from ``base`` ("": the remote's default branch) to ``head``, and the ``request`` to
    comment on (0: none)."""

    repo: Path
    remote: str
    forge: str
    base: str
    head: str
    request: int = 0


def perform(sources: Sources, settings: Settings, change: Change, fail_on: str, *, strict: bool, quiet: bool) -> int:
    """Prints the review, puts it on the request where one is named, and gives the exit code. Raises RulegenError."""
    failing = _words(fail_on)
    if not sources.rules:
        raise InputError("--rules: which files or directories of the repository hold the rules?")
    repository = Repository.at(change.repo, change.remote)
    host = _reviewer(change) if change.request else None
    if host is not None:
        host.check_source(change.request)
    head = repository.resolved(change.head)
    onto = repository.resolved(change.base or repository.default_branch())
    base = repository.fork(onto, head)
    if base is None:
        raise InputError(
            f"{change.head}: has no commit in common with {change.base or onto[:12]}; is the clone shallow?"
        )
    wanted = tuple(_inside(repository, path) for path in sources.rules)
    if not _changed(repository, base, head, wanted):
        print("no rule file changed")
        return FINE
    with tempfile.TemporaryDirectory(prefix="rulegen-review-") as home, watching(quiet) as progress:
        folders = tuple(_put(repository, commit, wanted, Path(home)) for commit in (base, head))
        sides = replace(sources, rules=(folders[0],), compare=(folders[1],))
        check(sides, settings)
        routing = read_alertmanager(sources.alertmanager) if sources.alertmanager else None
        found = read(sides, progress)
        tell(found, strict)
        progress("replaying rules", 0, 1)
        with engine_over(sides, found) as (engine, held):
            result = backtest(
                found.history,
                settings,
                other=found.compared,
                routing=routing,
                engine=engine,
                held=held,
                interval=sources.interval if sources.engine == "local" else None,
                measured=found.measured,
            )
        assert result.after is not None, "other rules were given"
        result = replace(
            result,
            before=with_unread(result.before, found, sides.rules),
            after=with_unread(result.after, found, sides.compare),
        )
    one = Reviewed(result, base, head, (str(folders[0]), str(folders[1])), found.doubts)
    text = review(one)
    print(text, end="")
    if host is not None:
        print(host.review(change.request, text))
    return FINDING if one.findings & failing else FINE


def _words(text: str) -> frozenset[str]:
    words = frozenset(filter(None, (word.strip() for word in text.split(","))))
    if strange := words - {*WHAT, "none"}:
        raise InputError(f"--fail-on: {sorted(strange)[0]!r} is none of {', '.join(WHAT)}, none")
    return words


def _reviewer(change: Change) -> Reviewer:
    kind = kind_of(Repository.at(change.repo, change.remote).url, change.forge)
    if kind == "git":
        raise InputError("--request: a plain git remote has no requests to comment on; give --forge github or gitlab")
    return connect(change.repo, change.remote, kind, change.base, Path())[1]  # type: ignore[return-value] # no plain one


def _inside(repository: Repository, path: Path) -> PurePosixPath:
    """``path`` as the repository has it: relative to its top."""
    whole, top = path.resolve(), repository.top.resolve()
    if not whole.is_relative_to(top):
        raise InputError(f"--rules: {path}: lies outside of the repository at {repository.top}")
    return PurePosixPath(whole.relative_to(top))


def _files(repository: Repository, commit: str, wanted: Sequence[PurePosixPath]) -> tuple[str, ...]:
    """The rule files below ``wanted``, as :func:`~rulegen.ingest.rulefile.read_rules` would find them."""
    found = []
    for name in repository.files(commit):
        path = PurePosixPath(name)
        below = [one for one in wanted if path.is_relative_to(one) and path != one]
        hidden = any(part.startswith(".") for one in below[:1] for part in path.relative_to(one).parts)
        if path in wanted or (below and path.suffix in _YAML and not hidden):
            found.append(name)
    return tuple(found)


def _changed(repository: Repository, base: str, head: str, wanted: Sequence[PurePosixPath]) -> bool:
    sides = (
        {name: repository.file(commit, name) for name in _files(repository, commit, wanted)}
        for commit in (base, head)
    )
    return next(sides) != next(sides)


def _put(repository: Repository, commit: str, wanted: Sequence[PurePosixPath], home: Path) -> Path:
    """The folder below ``home`` that holds the rule files of ``commit``, each at its place."""
    folder = home / commit[:12]
    folder.mkdir()
    for name in _files(repository, commit, wanted):
        content = repository.file(commit, name)
        if content is None:  # a link: what it leads to may lie anywhere
            continue
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    name, text = _STAND_IN
    (folder / name).write_text(text)
    return folder
