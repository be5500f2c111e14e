"""Matcher strings in both of Alertmanager's syntaxes; the readings are those of its own parser tests."""

from __future__ import annotations

import pytest

from rulegen.ingest.matchers import parse_matchers

GOOD = {
    'foo="bar"': [("foo", "=", "bar")],
    "{foo=bar,dings!=bums,}": [("foo", "=", "bar"), ("dings", "!=", "bums")],
    'foo = "bar", dings =~ "b.ms|x"': [("foo", "=", "bar"), ("dings", "=~", "b.ms|x")],
    "statuscode=~5..": [("statuscode", "=~", "5..")],
    'quote="She said: \\"Hi, ladies!\\""': [("quote", "=", 'She said: "Hi, ladies!"')],
    "foo=": [("foo", "=", "")],
    'foo=""': [("foo", "=", "")],
    "foo=bar=baz": [("foo", "=", "bar=baz")],  # only the classic syntax reads these three
    "foo=two words": [("foo", "=", "two words")],
    r"foo=a\d": [("foo", "=", r"a\d")],
    '"Ü-1"="🙂"': [("Ü-1", "=", "🙂")],  # only the newer one reads these two
    "Ü!~x": [("Ü", "!~", "x")],
    "{}": [],
    "": [],
}


@pytest.mark.parametrize("text", GOOD)
def test_reads(text: str) -> None:
    assert [(one.name, one.operator, one.value) for one in parse_matchers(text)] == GOOD[text]


@pytest.mark.parametrize("text", ["foo", "=bar", 'foo="bar', 'foo=b"ar', "5x y=z", 'foo=~"("', "foo=a,,b=c"])
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_matchers(text)
