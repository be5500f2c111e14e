"""What a request says: the evidence for people who decide, in Markdown that GitHub and GitLab agree on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rulegen.emit.markdown import ROOM, clipped, code, fitted, plain, unlinked
from rulegen.emit.words import number, one_line, share
from rulegen.forge.branch import Draft
from rulegen.forge.claim import Claim, Claims, Timeline
from rulegen.forge.host import branch_of
from rulegen.forge.marker import Marker, Remembered, wrapped

TITLE = 100  # characters
FILES = 10  # that "Reproduce it" names
_BARS = "▁▂▃▄▅▆▇█"
_DURATIONS = ("lead", "carry", "grace", "allowed_delay", "burst_gap")


def title(claims: Sequence[Claim]) -> str:
    """``Quieter HighErrorRate: for 1m → 2m``, or how many there are."""
    if len(claims) != 1:
        return f"Quieter alerts: {len(claims)} changes that a replay proved"
    verb = "Put back" if claims[0].change == "revert" else "Quieter"
    text = unlinked(f"{verb} {claims[0].old.name}: {claims[0].words}").replace("`", "'")
    return text if len(text) <= TITLE else text[: TITLE - 1] + "…"


def commit_message(claims: Sequence[Claim]) -> str:
    lines = [title(claims), ""]
    lines += [f"{one.id} {unlinked(one.old.name)}: {unlinked(one.note).split(': ', 2)[-1]}" for one in claims]
    return "\n".join(lines)


def body(claims: Claims, draft: Draft, base: str, remote: str, id: str) -> str:
    """The part of a request's text that is rulegen's, its hidden marker included. Where the forges have no room for
    all the evidence, the last claims of a batch are told in a line each."""
    marker = Marker.of(draft.claims, claims.span.end)
    end = [*_reproduce(claims, draft, base, remote, id), "", "### If you disagree", ""]
    end += [
        "Close this request and it stays closed, until the evidence is markedly stronger or the rule itself changes. "
        "Commit to this branch and it is yours: nothing will be pushed over your commits. "
        f"Text outside of this part stays ({', '.join(code(one.id) for one in draft.claims)}, "
        f"rulegen {plain(claims.version)}).",
    ]
    room = ROOM - len(marker.line) - sum(len(line) + 1 for line in end)
    if len(draft.claims) == 1:
        return wrapped(marker, "\n".join([*fitted(_claim(draft.claims[0], claims, draft), room), *end]))
    lines, brief = list[str](), list[str]()
    room -= sum(len(_brief(one)) + 1 for one in draft.claims)
    for one in draft.claims:
        section = [*(["---", ""] if lines else []), f"## {code(one.old.name)}", "", *_claim(one, claims, draft)]
        room -= sum(len(line) + 1 for line in section)
        if room > 0 and not brief:
            lines += section
        else:
            brief.append(_brief(one))
    if brief:
        lines += ["## Also changed", "", "There is no room here for their evidence; see `suggestions.json`.", ""]
        lines += [*brief, ""]
    return wrapped(marker, "\n".join([*lines, *end]))


def _brief(one: Claim) -> str:
    before, after = (pages / (one.evidence.whole.weeks or 1.0) for pages in one.evidence.whole.pages)
    what = f"{code(clipped(one.old.name, 100))}: {code(clipped(one.words, 100))}{_kind(one)}"
    return f"- {what}; noisy pages a week {number(before)} → {number(after)} ({code(one.id)})"


def _claim(one: Claim, claims: Claims, draft: Draft) -> Iterator[str]:
    whole, proof = one.evidence.whole, one.evidence
    weeks = whole.weeks or 1.0
    where = f"{code(draft.rules[0])}, " if len(draft.rules) == 1 else ""
    what = "should be put back" if one.change == "revert" else "is noisy"
    yield f"**{code(one.old.name)}** ({where}group {code(one.replaces.group)}) {what}: {plain(one.pattern)}."
    yield f"This changes {code(clipped(one.words))}{_kind(one)}."
    yield ""
    yield f"Replayed over {claims.span.start} to {claims.span.end}:"
    yield ""
    yield "| | before | after |"
    yield "|---|---:|---:|"
    yield f"| noisy pages a week | {number(whole.pages[0] / weeks)} | {number(whole.pages[1] / weeks)} |"
    yield f"| noisy paging minutes a week | {number(whole.minutes[0] / weeks)} | {number(whole.minutes[1] / weeks)} |"
    if proof.notices is not None:
        old, new = (value / weeks for value in proof.notices)
        yield f"| notifications for nothing a week | {number(old)} | {number(new)} |"
    kept = whole.caught[0] - len(whole.lost)
    lost = f", {len(whole.lost)} lost" if whole.lost else ""
    yield f"| {claims.mode} caught | {whole.caught[0]} | {kept} kept{lost} |"
    yield f"| added delay | | {'none' if whole.added_delay in ('0s', '') else 'at most ' + whole.added_delay} |"
    yield f"| longest firing | {proof.longest[0]} | {proof.longest[1]} |"
    if audit := proof.parts.get("audit"):
        yield ""
        yield (
            f"On the last quarter, which had no say in the choice: pages {audit.pages[0]} → {audit.pages[1]}, "
            f"{claims.mode} {audit.caught[0] - len(audit.lost)}/{audit.caught[0]} kept."
        )
    if one.timeline is not None:
        yield ""
        yield "```text"
        yield from timeline(one.timeline, claims.mode)
        yield "```"
    yield ""
    yield "### What the evidence can't say"
    yield ""
    yield from (f"- {line}" for line in _doubts(one, claims, draft))
    yield ""


def _kind(one: Claim) -> str:
    return {
        "demotion": ": it still fires, and no longer pages",
        "retirement": ": the rule is switched off, since another one pages for the same",
        "silencing": ": it is kept back for a time of the week",
    }.get(one.change, "")


def timeline(one: Timeline, mode: str) -> Iterator[str]:
    """Three rows of at most as many columns as there are steps; the bars of both sides have one scale."""
    top = max((*one.before, *one.after, 1))
    yield f"pages that began, each column {one.step} from {one.start}; full height is {top}"
    yield f"before {_bars(one.before, top)}"
    yield f"after  {_bars(one.after, top)}"
    if any(one.targets):
        yield f"       {''.join('^' if count else ' ' for count in one.targets).rstrip()}  {mode}"


def _bars(counts: Sequence[int], top: int) -> str:
    return "".join(_BARS[(count * len(_BARS) - 1) // top] if count else "·" for count in counts)


def _doubts(one: Claim, claims: Claims, draft: Draft) -> Iterator[str]:
    proof = one.evidence
    if one.grade == "alerts":
        yield "Only recorded alerts were there, not the metrics: what lies below the threshold is not known."
    if claims.mode == "bursts":
        yield "Nobody kept a record of incidents: every burst that paged is taken to be worth one page."
    elif proof.support.targets == 0:
        yield "The rule caught no incident in this history: whether it would catch one is not known."
    elif proof.lucky:
        few = f"{len(proof.lucky)} of {proof.support.targets} catches"
        yield f"{few} are no better than chance; they were protected all the same."
    if proof.cut_pages is not None and None not in proof.cut_pages:
        cut, low, high = (float(value or 0) for value in proof.cut_pages)
        yield (
            f"The cut of {share(cut)} rests on {proof.support.bursts} bursts of noise: "
            f"between {share(low)} and {share(high)} (95%), if tomorrow is like this history."
        )
    else:
        yield f"The cut rests on {proof.support.bursts} bursts of noise, too few for an interval."
    yield from (f"Synthetic, no evidence: {plain(text)}." for text in proof.synthetic)
    yield from (plain(text) for text in (*one.doubts, *one.remarks))
    if why := draft.untested.get(one.id):
        yield f"No unit test comes along: {plain(why)}."
    elif (test := one.test) is not None:
        for claim, text in (("stays silent", test.silent), ("fires", test.fires)):
            if text not in ("shown", ""):
                yield f"No unit test shows where it {claim}: {plain(text)}."
    yield from (plain(text) for text in claims.doubts)


def _reproduce(claims: Claims, draft: Draft, base: str, remote: str, id: str) -> Iterator[str]:
    settings = dict(claims.settings)
    judged = [f"--{name.replace('_', '-')} {settings[name]}" for name in _DURATIONS if name in settings]
    record = "--incidents INCIDENTS" if claims.mode == "incidents" else ""
    yield "### Reproduce it"
    yield ""
    yield "With your Prometheus (or `--metrics FILE`)" + (" and your record of incidents:" if record else ":")
    yield ""
    yield "```sh"
    yield f"git fetch {shlex.quote(remote)} {shlex.quote(base)} {branch_of(id)}"
    shown, more = draft.rules[:FILES], len(draft.rules) - FILES
    for path in shown:
        for side, revision in (("before", f"{remote}/{base}"), ("after", f"{remote}/{branch_of(id)}")):
            yield f"git show {_quoted(f'{revision}:{path}')} > {side}-{_name(path)}"
    if more > 0:
        yield f"# and so on for {more} more files"
    sides = " ".join(f"--{option} {side}-{_name(path)}" for path in shown for option, side in _SIDES)
    yield f"rulegen replay --prometheus URL {sides} \\"
    page = f"--page {_quoted(settings['page'])}" if "page" in settings else ""
    yield "  " + " ".join(
        filter(None, (f"--start {claims.span.start} --end {claims.span.end}", record, page, *judged))
    )
    for path in list(draft.tests.values())[:FILES]:
        yield f"promtool test rules {_quoted(path)}"
    yield "```"


_SIDES = (("rules", "before"), ("compare", "after"))


def _quoted(text: str) -> str:
    return shlex.quote(one_line(text))


def _name(path: str) -> str:
    flat = "".join(char if char.isalnum() or char in "._-" else "-" for char in path)
    return flat if flat.endswith((".yml", ".yaml")) else f"{flat}.yml"


def update(was: Sequence[Remembered], now: Sequence[Claim], since: str, to: str, theirs: bool) -> str:
    """The comment of a request whose evidence changed after it was opened."""
    lines = [f"Judged again on the history up to {to} (before: up to {since})."]
    for one in now:
        old = next((each for each in was if each.id == one.id), None)
        if old is not None:
            moved = f"noisy pages avoided a week: {number(old.cut)} → {number(one.cut)}"
            other = f"; it would now be {code(clipped(one.words))}" if old.goal != one.goal else ""
            lines.append(f"- {code(one.old.name)}: {moved}{other}")
    lines = fitted(lines, ROOM)
    if theirs:
        lines += ["", "There are commits on this branch that rulegen did not make, so it leaves the branch alone."]
    return "\n".join(lines)
