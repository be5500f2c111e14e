"""Claims → requests. The forge itself remembers which were made, merged or refused: there is no other truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from rulegen.errors import UpstreamError
from rulegen.forge.body import body, commit_message, title, update
from rulegen.forge.branch import Draft, Prepared, diff, drafted, prepared, singly
from rulegen.forge.claim import Claim, Claims
from rulegen.forge.find import Done, Left
from rulegen.forge.git import Author, Repository
from rulegen.forge.host import BATCH, Host, HostError, Request, branch_of
from rulegen.forge.marker import Marker, Remembered, read_marker, replaced

Status = Literal[
    "opened",  # a request was made
    "updated",  # its text, or its branch, was brought up to date
    "unchanged",  # it stands as it should
    "theirs",  # somebody else's commits are on its branch: left alone
    "merged",  # people took it
    "declined",  # people closed it, and nothing has changed markedly since
    "waiting",  # enough are open
    "there",  # the base has the change already
    "left",  # it can't be put there; why says so
    "failed",  # the forge or git refused it; why says so
    "later",  # not tried, since something failed before it
]
_PROBLEMS = ("failed", "later")
TOGETHER = 100  # claims in one batch: each is remembered in its text, which has a limit


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask. ``limit``: at most so many open at once. ``tests``: the directory for unit tests, "" for none."""

    limit: int = 3
    batch: bool = False
    tests: str = "tests/rulegen"
    author: Author = field(default_factory=Author)
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one suggestion. ``why`` explains the status where that is needed; ``title``, ``body`` and
    ``diff`` are those of a request that was, or in a dry run would be, made or brought up to date."""

    id: str
    name: str
    status: Status
    why: str = ""
    url: str = ""
    title: str = ""
    body: str = ""
    diff: str = ""

    @property
    def failed(self) -> bool:
        return self.status in _PROBLEMS


def publish(
    repository: Repository, host: Host, claims: Claims, plan: Plan, tell: Callable[[str], None] = lambda _: None
) -> tuple[Published, ...]:
    """Makes and updates requests for ``claims`` (in their order, most noise first), or says what it would do.

    Each request is whole or not made: the commit is complete before it is pushed, and a branch that was pushed before
    a failure is found by the next run, which goes on from there. Raises UpstreamError before anything was done when
    the forge can't be used at all, and RulegenError for a full disk or another run at work.
    """
    with repository.alone():
        tell(f"asking {host.name}")
        open_now = {one.branch for one in host.open()}
        repository.fetch(host.base)
        base = repository.base(host.base)
        found: dict[str, Published] = {}
        work = _Work(repository, host, claims, plan, base, open_now, host.requests(branch_of(BATCH)))
        units = work.units(found)
        for number, unit in enumerate(units):
            tell(f"{unit.id} ({number + 1} of {len(units)})")
            try:
                found |= {one.id: one for one in work.ask(unit)}
            except HostError as error:
                found |= {one.id: _about(one, "failed", str(error)) for one in unit.claims}
            except UpstreamError as error:
                found |= {one.id: _about(one, "failed", str(error)) for one in unit.claims}
                rest = (one for each in units[number + 1 :] for one in each.claims)
                found |= {one.id: _about(one, "later", "the next run carries on") for one in rest}
                break
        return tuple(found[one.id] for one in claims.claims if one.id in found)


@dataclass(frozen=True, slots=True)
class _Unit:
    """What shares one branch. ``request`` is the open one, where there is one."""

    id: str
    claims: tuple[Claim, ...]
    request: Request | None
    again: str = ""  # why people are asked again who said no


@dataclass(frozen=True, slots=True)
class _Work:
    repository: Repository
    host: Host
    claims: Claims
    plan: Plan
    base: str
    open: set[str]
    batches: tuple[Request, ...]

    def units(self, found: dict[str, Published]) -> list[_Unit]:
        """What to ask for. What needs no asking goes to ``found``. Raises UpstreamError."""
        standing = singly(self.repository, self.base, self.claims.claims)
        units: list[_Unit] = []
        together: list[Claim] = []
        batch = next((one for one in self.batches if one.state == "open"), None)
        for claim in self.claims.claims:
            own = self.host.requests(branch_of(claim.id))
            newest = own[0] if own else None
            if newest is not None and newest.state == "open":
                error = standing.get(claim.id)
                if error is None:
                    units.append(_Unit(claim.id, (claim,), newest))
                else:
                    found[claim.id] = replace(_cannot(claim, error), url=newest.url)
                continue
            settled, again = _settled(claim, (*own, *self.batches))
            error = standing.get(claim.id)
            if settled is not None and not (settled.status == "declined" and isinstance(error, Done)):
                found[claim.id] = settled
            elif error is not None:
                found[claim.id] = _cannot(claim, error)
            elif self.plan.batch or (batch is not None and _mentions(batch, claim.id)):
                together.append(claim)
            else:
                units.append(_Unit(claim.id, (claim,), None, again))
        if batch is not None:  # who is in it stays in it
            together.sort(key=lambda one: not _mentions(batch, one.id))
        for claim in together[TOGETHER:]:
            found[claim.id] = _about(claim, "waiting", f"a batch holds {TOGETHER} at most")
        del together[TOGETHER:]
        if together:
            units.append(_Unit(BATCH, tuple(together), batch))
        return units

    def ask(self, unit: _Unit) -> Iterator[Published]:
        """Raises HostError, UpstreamError and RulegenError."""
        host, branch = self.host, branch_of(unit.id)
        if unit.request is None and len(self.open) >= self.plan.limit:
            why = f"{len(self.open)} are open, and --max-open is {self.plan.limit}"
            yield from (_about(one, "waiting", why) for one in unit.claims)
            return
        try:
            draft = drafted(self.repository, self.base, unit.claims, self.plan.tests)
        except (Left, Done) as error:  # several that go alone and not together
            yield from (_cannot(one, error) for one in unit.claims)
            return
        heading, message = title(draft.claims), commit_message(draft.claims)
        part = body(self.claims, draft, host.base, self.repository.remote, unit.id)
        ready = prepared(self.repository, branch, draft, message, self.plan.author)
        if unit.request is None:
            yield from self._opened(unit, draft, ready, heading, part)
        else:
            yield from self._updated(unit.request, draft, ready, heading, part)

    def _opened(self, unit: _Unit, draft: Draft, ready: Prepared, heading: str, part: str) -> Iterator[Published]:
        branch = branch_of(unit.id)
        if ready.state == "theirs":
            why = f"{branch} holds commits that are not rulegen's, with no request: remove the branch or merge it"
            yield from (_about(one, "theirs", why) for one in unit.claims)
            return
        url = ""
        if not self.plan.dry:
            if ready.commit != ready.tip and ready.commit is not None:
                self.repository.push(ready.commit, branch, ready.tip)
            url = self.host.create(branch, heading, part).url
        self.open.add(branch)
        yield from self._all(draft, "opened", unit.again, url, heading, part)

    def _updated(
        self, request: Request, draft: Draft, ready: Prepared, heading: str, part: str
    ) -> Iterator[Published]:
        marker = read_marker(request.body)
        was = marker.claims if marker is not None else ()
        now = Marker.of(draft.claims, self.claims.span.end)
        theirs = ready.state == "theirs"
        rebuilt = ready.state in ("new", "rebuilt")
        whole = None if theirs else replaced(request.body, part)
        alike = [(one.id, one.digest) for one in was] == [(one.id, one.digest) for one in now.claims]
        if not rebuilt and (alike or theirs):
            status: Status = "theirs" if theirs else "unchanged"
            why = "somebody else's commits are on the branch" if theirs else ""
            if theirs and not alike and not self.plan.dry:
                self._comment(request, was, draft, marker, theirs=True)
            yield from self._all(draft, status, why, request.url)
            return
        if not self.plan.dry:
            if rebuilt and ready.commit is not None:
                self.repository.push(ready.commit, request.branch, ready.tip)
            if whole is not None:
                # Before the text is: a run that ends between the two finds the old text, and says it again.
                self._comment(request, was, draft, marker, theirs=False)
                changed = [one.goal for one in was] != [one.goal for one in now.claims]
                self.host.update(request, heading if changed else request.title, whole)
            else:
                self._comment(request, was, draft, marker, theirs=False)
        yield from self._all(
            draft,
            "updated",
            "" if whole is not None else "its text was taken over",
            request.url,
            heading,
            whole or part,
        )

    def _comment(
        self, request: Request, was: Sequence[Remembered], draft: Draft, marker: Marker | None, *, theirs: bool
    ) -> None:
        since = marker.to if marker is not None else "then"
        self.host.comment(request, update(was, draft.claims, since, self.claims.span.end, theirs))

    def _all(
        self, draft: Draft, status: Status, why: str, url: str, heading: str = "", text: str = ""
    ) -> Iterator[Published]:
        shown = diff(self.repository, draft) if heading else ""
        for one in draft.claims:
            yield Published(one.id, one.old.name, status, why, url, heading, text, shown)


def _settled(claim: Claim, requests: Iterable[Request]) -> tuple[Published | None, str]:
    """What people have decided of ``claim``, by the newest request that stood for it; None where they are to be asked
    (again), and why again."""
    ended = (one for one in requests if one.state != "open")
    for request in sorted(ended, key=lambda one: -one.number):
        marker = read_marker(request.body)
        about = marker.about(claim.id) if marker is not None else None
        if about is None and request.branch != branch_of(claim.id):
            continue
        if request.state == "merged":
            done = about is None or about.start == claim.start
            return (_about(claim, "merged", "", request.url), "") if done else (None, "")
        if about is None:  # somebody took the marker away: all that is known is that people said no
            return _about(claim, "declined", "it was closed", request.url), ""
        if again := about.reconsider(claim):
            return None, f"asked again: {again}"
        upto = marker.to if marker is not None else ""
        return _about(claim, "declined", f"closed; it was judged up to {upto}", request.url), ""
    return None, ""


def _mentions(request: Request, id: str) -> bool:
    marker = read_marker(request.body)
    return marker is not None and marker.about(id) is not None


def _cannot(claim: Claim, error: Exception) -> Published:
    return _about(claim, "there" if isinstance(error, Done) else "left", str(error))


def _about(claim: Claim, status: Status, why: str, url: str = "") -> Published:
    return Published(claim.id, claim.old.name, status, why, url)
