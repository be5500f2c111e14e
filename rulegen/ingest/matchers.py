"""Alertmanager's matcher strings → :class:`~rulegen.core.routing.Matcher`.

There are two syntaxes. The newer reads names and values in any script, quoted where they hold something reserved; the
classic one reads unquoted values with anything in them. As Alertmanager does since 0.27, both are tried, and where
both can read a text but differ, the classic one counts (``matcher/compat``).
"""

from __future__ import annotations

import json
import re

from rulegen.core.routing import Matcher, Operator
from rulegen.errors import UnsupportedError
from rulegen.promql.regex import compile_regex

_OPERATORS: dict[str, Operator] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}
_CLASSIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL | re.ASCII)
_CLASSIC_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}
_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>[{},])|(?P<operator>=~|!=|!~|=)|(?P<quoted>"(?:\\.|[^"\\])*")|(?P<plain>[^\s{}!=~,\\"'`]+))""",
    re.DOTALL,
)


def matcher(name: str, operator: str, value: str) -> Matcher:
    """Raises ValueError for a regular expression that cannot be used."""
    op = _OPERATORS[operator]
    if op in ("=", "!="):
        return Matcher(name, op, value)
    try:
        # Alertmanager compiles ^(?:…)$ without the flag that lets a dot match a line feed.
        return Matcher(name, op, value, compile_regex(value, dot_all=False))
    except UnsupportedError as error:
        raise ValueError(str(error)) from None


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """The matchers of ``text``, such as ``{severity="page", team=~"a|b"}``. Raises ValueError, with what is wrong."""
    try:
        newer: tuple[Matcher, ...] | None = _newer(text)
    except ValueError:
        newer = None
    try:
        classic = _classic(text)
    except ValueError:
        if newer is None:
            raise
        return newer
    return classic


def _newer(text: str) -> tuple[Matcher, ...]:
    tokens = _tokens(text)
    braced = tokens[:1] == [("mark", "{")]
    if braced:
        if tokens[-1] != ("mark", "}") or len(tokens) == 1:
            raise ValueError(f"a brace is not closed: {text}")
        tokens = tokens[1:-1]
    found = []
    while tokens:
        if len(tokens) < 3:
            raise ValueError(f"bad matcher format: {text}")
        (name_kind, name), (operator_kind, operator), (value_kind, value) = tokens[:3]
        if name_kind == "mark" or name_kind == "operator" or operator_kind != "operator" or value_kind == "mark":
            raise ValueError(f"bad matcher format: {text}")
        if value_kind == "operator" or not _unquoted(name_kind, name):
            raise ValueError(f"bad matcher format: {text}")
        found.append(matcher(_unquoted(name_kind, name), operator, _unquoted(value_kind, value)))
        if tokens[3:4] and tokens[3] != ("mark", ","):
            raise ValueError(f"a comma is missing between matchers: {text}")
        tokens = tokens[4:]
    return tuple(found)


def _tokens(text: str) -> list[tuple[str, str]]:
    at, found = 0, []
    end = len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup is None:
            raise ValueError(f"bad matcher format: {text}")
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    return found


def _unquoted(kind: str, text: str) -> str:
    if kind != "quoted":
        return text
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        raise ValueError(f"an escape that cannot be read: {text}") from None
    return str(value)


def _classic(text: str) -> tuple[Matcher, ...]:
    """``labels.ParseMatchers``: commas outside of quotes separate."""
    text = text.removeprefix("{").removesuffix("}")
    tokens, token = [], ""
    quoted = escaped = False
    for char in text:
        if char == "," and not quoted:
            tokens.append(token)
            token = ""
            continue
        if char == '"':
            quoted ^= not escaped
            escaped = False
        else:
            escaped = char == "\\" and not escaped
        token += char
    if token.strip():
        tokens.append(token)
    return tuple(_classic_one(one) for one in tokens)


def _classic_one(text: str) -> Matcher:
    found = _CLASSIC.fullmatch(text)
    if found is None:
        raise ValueError(f"bad matcher format: {text}")
    name, operator, raw = found.groups()
    opened = raw.startswith('"')
    if opened:
        raw = raw[1:]
    closed = False
    value, at = "", 0
    while at < len(raw):
        char = raw[at]
        if char == "\\" and at + 1 < len(raw):
            after = raw[at + 1]
            value += _CLASSIC_ESCAPES.get(after, "\\" + after)
            at += 2
            continue
        if char == '"':
            if not opened or at + 1 < len(raw):
                raise ValueError(f"matcher value contains an unescaped double quote: {text}")
            closed = True
        else:
            value += char
        at += 1
    if opened and not closed:
        raise ValueError(f"matcher value contains an unescaped double quote: {text}")
    return matcher(name, operator, value)
