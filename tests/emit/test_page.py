"""report.html and report.md around reports made by hand: hostile words, and strips that show what they should."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.exhibit import Shown
from rulegen.core.outcome import Report
from rulegen.core.picture import WEEK_HOURS, Lane, Picture, Trace
from rulegen.core.spans import Span
from rulegen.emit.markdown import code, markdown, plain
from rulegen.emit.page import charts
from rulegen.emit.page.page import Told, html
from rulegen.ingest.rulefile import read_rules

HOSTILE = (
    '"><script>alert(1)</script><img src=//evil.example/x onerror=alert(2)> \u202e| `x` [a](//evil.example) @all'
)
NOTHING = Told({}, {}, {}, Shown())


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def trace(*spans: tuple[int, int]) -> Trace:
    week = np.zeros(WEEK_HOURS, dtype=np.int64)
    week[5] = len(spans)
    return Trace(np.array(spans, dtype=np.int64).reshape(-1, 2), week)


@pytest.fixture
def made(two_rules: Path, make_suggestion, make_report) -> tuple[Report, Picture]:
    ((ref, _, rule), *_), _, _ = read_rules([str(two_rules)])
    hostile = replace(rule, name=HOSTILE, labels=rule.labels.updated({"team": HOSTILE}))
    changed = replace(hostile, expr="latency_seconds > 95")
    report = make_report([make_suggestion(ref, hostile, changed, id="s-1")], [])
    report = replace(report, doubts=(HOSTILE,), unscored=((HOSTILE, HOSTILE),))
    span = report.span
    lane = Lane(
        ref,
        HOSTILE,
        (HOSTILE,),
        trace((span.start, span.start + 60_000)),
        trace(),
        (1.0, 0.0),
        (1, 1),
        "s-1",
    )
    return report, Picture(span, (span,), (("INC-1", Span(span.start, span.start + 3_600_000)),), (lane,), False)


def test_hostile_names_stay_text(made: tuple[Report, Picture]) -> None:
    text = html(*made, NOTHING)
    tags = Tags()
    tags.feed(text)
    names = {tag for tag, _ in tags.seen}
    assert names.isdisjoint({"script", "img", "iframe", "object", "form"})
    assert not any(name.startswith("on") for _, attributes in tags.seen for name in attributes)
    assert "\u202e" not in text and "&lt;script&gt;" in text
    policy = next(
        given["content"] for tag, given in tags.seen if given.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None and policy.startswith("default-src 'none'")
    assert not any(given.get("src") or (given.get("href") or "#").startswith("http") for _, given in tags.seen)


def test_the_same_report_gives_the_same_page(made: tuple[Report, Picture]) -> None:
    assert html(*made, NOTHING) == html(*made, NOTHING)


def test_what_is_not_known_is_said(made: tuple[Report, Picture]) -> None:
    report, drawn = made
    bare = replace(report, forecast=None, front=None, suggestions=(), refused=(), patterns=())
    text = html(bare, replace(drawn, lanes=()), NOTHING)
    assert "no forecast" in text and "No rule paged" in text and "every rule stays as it is" in text
    assert "What else could be had" not in text


def test_markdown_of_hostile_names(made: tuple[Report, Picture]) -> None:
    text = markdown(made[0], {})
    rows = [line for line in text.splitlines() if line.startswith("|") and "s-1" in line]
    assert len(rows) == 1 and len(re.findall(r"(?<!\\)\|", rows[0])) == 9  # eight cells, whatever stands in them
    assert "\n" + HOSTILE not in text and "\u202e" not in text


@given(st.text())
def test_code_and_plain_keep_to_one_line(text: str) -> None:
    for made in (code(text), plain(text)):
        assert "\n" not in made and "\r" not in made
    fence = re.match("`+", code(text))
    assert fence and code(text).endswith(fence[0])
    inner = code(text)[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inner)


def columns(path: str) -> set[int]:
    """The columns that a strip's path covers."""
    found: set[int] = set()
    for start, width in re.findall(r"M(\d+) \d+h(\d+)v", path):
        found |= set(range(int(start), int(start) + int(width)))
    return found


@given(st.lists(st.tuples(st.integers(-50_000, 1_300_000), st.integers(0, 100_000)), max_size=20))
def test_a_strip_shows_each_firing_where_it_was(firings: list[tuple[int, int]]) -> None:
    span = Span(0, 1_200_000)  # a thousand ms a column
    spans = np.array([(start, start + length) for start, length in firings], dtype=np.int64).reshape(-1, 2)
    none = np.zeros((0, 2), dtype=np.int64)
    drawn = str(charts.strip(span, [], spans, none, "label"))
    upper = re.search(r'class="was" d="([^"]*)"', drawn)
    lower = re.search(r'class="now" d="([^"]*)"', drawn)
    assert upper and lower and not lower[1]
    wanted = {
        column
        for start, end in spans.tolist()
        for column in range(max(0, start // 1000), min(1199, end // 1000) + 1)
        if end >= 0 and start < 1_200_000
    }
    assert columns(upper[1]) == wanted


def test_the_fullest_hour_is_the_darkest() -> None:
    week = np.zeros(WEEK_HOURS, dtype=np.int64)
    week[[0, 25, 167]] = 1, 4, 16
    depths = charts.depths(week, 16)
    assert (depths[0][0], depths[1][1], depths[6][23], depths[3][3]) == ("0.25", "0.50", "1.00", "0.00")
    assert charts.depths(np.zeros(WEEK_HOURS, dtype=np.int64), 0)[0][0] == "0"
