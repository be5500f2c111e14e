"""A commented ``rulegen.toml`` for a server, from what it told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rulegen.core.durations import DAY, HOUR, format_duration
from rulegen.emit.times import time_text
from rulegen.emit.words import counted, one_line

PAGING = ("page", "pager", "critical", "crit", "fatal", "emergency", "urgent", "high", "p1", "sev1")
WEEKS_4 = 28  # days
STEP = 6 * HOUR  # to which the first and the last sample are known


@dataclass(frozen=True, slots=True)
class Told:
    """What goes into the file. ``given`` are settings that the user named, by key; ``severities`` counts alerting
    rules by the label ``severity``, "" for those without one, most first; ``page`` is the default matcher, ``pages``
    whether an alert with a value of ``severity`` is one that it matches. Times in ms."""

    url: str
    given: Mapping[str, str | Sequence[str]]
    rule_files: Sequence[str]
    groups: Sequence[str]
    external_labels: Sequence[tuple[str, str]]
    alertmanagers: Sequence[str]
    retention: str
    oldest: int | None
    newest: int | None
    severities: Sequence[tuple[str, int]]
    page: str
    pages: Mapping[str, bool]
    now: int


def settings_file(told: Told) -> str:
    """The text: TOML. Everything that the server said is quoted or in a comment of one line."""
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Told) -> Iterator[str]:
    yield "# Settings of rulegen, see docs/configuration.md. A flag of the command line comes before the environment"
    yield "# (RULEGEN_ALLOWED_DELAY=3m), that before this file. Paths are meant from here. No secret belongs here."
    yield ""
    yield _set("prometheus", told.url)
    for key, value in told.given.items():
        yield _set(key, value)
    yield ""
    yield from _rules(told)
    yield ""
    yield from _reach(told)
    yield ""
    yield from _page(told)
    yield ""
    if told.external_labels:
        shown = ", ".join(f"{name}={value}" for name, value in told.external_labels)
        yield from _comment(f"The server adds to every alert: {shown}. Incidents need not carry these.")
    yield "# Alerts that rulegen listen has received: of other senders, or lost to the server's own record."
    yield '# store = "alerts.db"'
    yield ""
    yield "# What was really wrong; without it every burst that paged must still page. One of:"
    yield '# incidents = "incidents.csv"     # id, start, end, and labels by which alerts speak of an incident'
    yield "# impact = 'sum(rate(http_requests_total{code=~\"5..\"}[5m])) > 10'"
    yield ""
    if told.alertmanagers:
        yield from _comment(f"The server sends to {', '.join(told.alertmanagers)}. To count what people are sent:")
    else:
        yield "# The server names no Alertmanager. To count what people are sent:"
    yield '# alertmanager = "alertmanager.yml"'
    yield ""
    yield '# allowed_delay = "2m"            # by which a catch may come later than today'
    yield "# protect = ['team=\"payments\"']   # rules never to touch"
    yield "# demote = false                  # tune only: no page becomes a ticket, is muted, or goes"
    yield ""
    yield "[nightly]"
    yield '# out = "out"'
    yield '# metrics_file = "/var/lib/node_exporter/textfile/rulegen.prom"'


def _rules(told: Told) -> Iterator[str]:
    if told.rule_files:
        yield from _comment(f"The server reads its rules from {', '.join(told.rule_files)} (paths on its machine).")
    elif told.groups:
        yield from _comment(f"The server has rules from {', '.join(told.groups[:8])}.")
    else:
        yield "# The server names no rule files."
    if "rules" not in told.given:
        yield "# Name your copy of them, so that suggestions become edits of these files:"
        yield '# rules = ["rules/"]'


def _reach(told: Told) -> Iterator[str]:
    kept = f" and keeps {told.retention}" if told.retention else ""
    if told.oldest is None:
        yield from _comment(f"The server does not say how far back it reaches{kept}.")
        yield '# since = "14d"'
        return
    days = max(1, (told.now - told.oldest) // DAY)
    if told.newest is not None and told.now - told.newest > DAY:
        yield from _comment(
            f"The server has samples from {_day(told.oldest)} to {_day(told.newest)}{kept}, and none of the last "
            f"{counted((told.now - told.newest) // DAY, 'day')}."
        )
        yield "# So this looks at the time of those that are there:"
        yield _set("start", time_text(max(0, told.oldest - STEP)))
        yield _set("end", time_text(min(told.now, told.newest + STEP)))
        return
    advice = " Four weeks are a good beginning." if days > WEEKS_4 else ""
    yield from _comment(f"The server has samples from {_day(told.oldest)} on{kept}: {counted(days, 'day')}.{advice}")
    yield _set("since", format_duration(min(WEEKS_4, days) * DAY))


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).date().isoformat()


def _page(told: Told) -> Iterator[str]:
    if not told.severities:
        yield from _comment(f"No alerting rule was told, so which pages is a guess: {told.page}")
        return
    counts = ", ".join(f"{value or '(none)'} ({counted(count, 'rule')})" for value, count in told.severities)
    yield from _comment(f"Values of the label severity: {counts}.")
    names = [value for value, _ in told.severities]
    paging = [value for value in names if value.lower() in PAGING]
    if any(told.pages[value] for value in names):
        yield from _comment(
            f"Which of them page? By default: {', '.join(v or '(none)' for v in names if told.pages[v])}."
        )
        yield "# " + _set("page", told.page)
    elif paging and all(value.isidentifier() for value in paging):
        yield "# None of them pages by default, and from their names these should. Is that right?"
        yield _set("page", f'severity=~"{"|".join(paging)}"')
    else:
        yield "# None of them pages by default. Say which do:"
        yield "# " + _set("page", told.page)


def _comment(text: str) -> Iterator[str]:
    yield f"# {one_line(text)}"


def _set(key: str, value: str | Sequence[str]) -> str:
    """``key = value``. JSON's strings are TOML's but for the one character that only TOML wants escaped."""
    return f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
