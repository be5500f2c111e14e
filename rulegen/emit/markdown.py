"""``report.md``: the report for a chat or a wiki, in the Markdown that GitHub, GitLab and chat bridges agree on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from rulegen.core.outcome import Measure, Report, Suggestion
from rulegen.emit import figures
from rulegen.emit.times import time_text
from rulegen.emit.words import change, counted, delay, kept, number, one_line, share, why

LIMIT = 50  # suggestions and refusals each; the rest is counted
_ACTIVE = re.compile(r"([\\`*_{}\[\]()<>#+!|~@&$])")
# What forges make links, mentions and commands of once Markdown is done with a text, so that no escape helps.
_REFERENCE = re.compile(
    r"(?<=[@#!~&$%^])(?=[\w\"\[])|(?<=\bGH-)(?=\d)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|^(?=/)", re.IGNORECASE
)
ROOM = 60_000  # characters of a request or a comment: GitHub takes 65,536 at most, and people write there too
_BREAK = "\u200b"  # of no width
_PIPE = "\\|"


def markdown(report: Report, problems: Mapping[str, str]) -> str:
    """The whole text; ``problems`` by suggestion id: why it could not be written into its file."""
    return "\n".join(_lines(report, problems)).rstrip() + "\n"


def plain(text: str) -> str:
    """``text`` as Markdown that says just that: one line without markup, mentions, references and links."""
    return _ACTIVE.sub(r"\\\1", unlinked(text))


def unlinked(text: str) -> str:
    """``text`` in one line where no Markdown is read, in a title or a commit: nothing in it mentions anybody, is
    a link or refers to an issue (and so closes it, once it is merged)."""
    return _REFERENCE.sub(_BREAK, one_line(text))


def code(text: str) -> str:
    """``text`` as a code span, also with backticks in it; nothing is made a mention or a link there."""
    flat = one_line(text)
    fence = "`" * (max(map(len, re.findall("`+", flat)), default=0) + 1)
    space = " " if "`" in flat or not flat.strip() else ""
    return f"{fence}{space}{flat}{space}{fence}"


def fitted(lines: Iterable[str], most: int) -> list[str]:
    """Whole ``lines``, as far as ``most`` characters go, and how many were left out."""
    every, kept = list(lines), list[str]()
    for line in every:
        most -= len(line) + 1
        if most < 0:
            return [*kept, "", f"… and {len(every) - len(kept)} more lines, for which there is no room here"]
        kept.append(line)
    return kept


def clipped(text: str, most: int = 1000) -> str:
    """``text``, cut after ``most`` characters."""
    return text if len(text) <= most else f"{text[:most]}…"


def _lines(report: Report, problems: Mapping[str, str]) -> Iterator[str]:
    before, together = report.before, report.together
    weeks = before.weeks or 1.0
    yield "# What pages you for nothing, and what to change"
    yield ""
    yield (
        f"{time_text(report.span.start)} to {time_text(report.span.end)}, {counted(report.rules, 'rule')}, "
        f"{before.caught[0]} {report.mode} caught."
    )
    yield ""
    yield from table(
        ("", "pages/week", "min/week", f"{report.mode} kept", "delay"),
        (
            ("tunings", *_figures(report.tuning)),
            ("everything accepted", *_figures(together)),
        ),
    )
    if (notices := report.notices) is not None:
        old, new = notices.before[1], notices.together[1]
        cut = f" (−{share(1 - new / old)})" if old else ""
        per = notices.weeks or 1.0
        yield ""
        yield f"Notifications for nothing: {number(old / per)} → {number(new / per)} a week{cut}."
    yield ""
    if (forecast := report.forecast) is not None:
        told = "; ".join(figures.forecast(forecast, report.mode))
        yield f"Forecast ({forecast.method}; in brackets 95% intervals): {told}."
    else:
        yield "No forecast: the history is too short to set a part of it aside."
    yield ""
    yield f"## Suggestions ({len(report.suggestions)})"
    yield ""
    if report.suggestions:
        rows = (_row(one, problems) for one in report.suggestions[:LIMIT])
        yield from table(("rule", "noise", "change", "pages/week", "min/week", "kept", "delay", "id"), rows)
        yield from _more(len(report.suggestions))
    else:
        yield "None passed the gate: every rule stays as it is."
    if report.refused:
        yield ""
        yield f"## Refused, the best of each cluster ({len(report.refused)})"
        yield ""
        for one in report.refused[:LIMIT]:
            yield f"- {code(one.cluster.rule.name)}, {_words(one)}: {plain(one.reasons[0])}"
        yield from _more(len(report.refused))
    doubts = [*report.doubts]
    if report.unjudged:
        doubts.append(f"{counted(report.unjudged, 'firing')} unjudged: outside the recorded time, or warming up")
    if report.unscored:
        doubts.append(f"{counted(len(report.unscored), 'rule')} could not be replayed")
    if report.unmatched:
        doubts.append(f"{counted(len(report.unmatched), 'selector')} matched nothing in this history")
    if doubts:
        yield ""
        yield "## To doubt"
        yield ""
        yield from (f"- {plain(doubt)}" for doubt in doubts)
    if weeks < 1:
        yield ""
        yield f"The judged time is {number(7 * weeks)} days long; figures by the week are scaled up."


def _row(one: Suggestion, problems: Mapping[str, str]) -> tuple[str, ...]:
    cells = _figures(one.evidence.whole) if one.evidence else ("–",) * 4
    words = _words(one) + (f" (not written: {plain(problems[one.id])})" if one.id in problems else "")
    return code(one.cluster.rule.name), plain(f"{one.cluster.pattern}: {why(one.cluster)}"), words, *cells, one.id


def _words(one: Suggestion) -> str:
    return code(change(one.cluster.rule, one.candidate.rules, one.candidate.proposal))


def _figures(measure: Measure) -> tuple[str, str, str, str]:
    weeks = measure.weeks or 1.0
    return (
        f"{number(measure.pages[0] / weeks)} → {number(measure.pages[1] / weeks)}",
        f"{number(measure.minutes[0] / weeks)} → {number(measure.minutes[1] / weeks)}",
        kept(measure),
        delay(measure),
    )


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table; the cells are Markdown already. A pipe would end one, in a code span too, so each is
    escaped once more, which is undone before the cell is read (GitHub Flavored Markdown, 4.10)."""
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    yield from (f"| {' | '.join(cell.replace('|', _PIPE) for cell in row)} |" for row in rows)


def _more(total: int) -> Iterator[str]:
    if total > LIMIT:
        yield ""
        yield f"… and {total - LIMIT} more in suggestions.json"
