"""Rules as they stand in repositories are often text that a program fills in; here it is filled with stand-ins.

``%(selector)s``, ``%s``, ``<%= … %>``, ``{{ … }}`` and ``«…»`` stand for matchers, label names, metric names,
durations or numbers; what they stand between says which. The same placeholder always becomes the same stand-in, so a
rule and its changed version stay comparable.
"""

from __future__ import annotations

import hashlib
import re

import promql_parser as pp

_PLACEHOLDER = re.compile(r"%\((\w+)\)[sgd]|%[sgd]|<%=?.*?%>|\{\{.*?\}\}|«.*?»", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'|`[^`]*`", re.DOTALL)
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*$", re.IGNORECASE)


def readable(text: str) -> str:
    """``text`` as PromQL: as it is where it parses, else with stand-ins for its placeholders."""
    try:
        pp.parse(text)
    except ValueError:
        return _filled(text)
    return text


def _filled(text: str) -> str:
    # What a program fills in may hold quotes, which would end a string too early.
    text = re.sub(r"\{\{.*?\}\}", lambda hole: f"«{hashlib.sha256(hole[0].encode()).hexdigest()[:8]}»", text)
    out, at = "", 0
    for piece in re.finditer(f"(?P<string>{_STRING.pattern})|(?P<hole>{_PLACEHOLDER.pattern})", text, re.DOTALL):
        if piece["hole"] is None:
            continue
        out += text[at : piece.start()]
        at = piece.end()
        out += _stand_in(piece["hole"], _bare(out), text[at:].lstrip())
    return out + text[at:]


def _stand_in(hole: str, before: str, after: str) -> str:
    digest = hashlib.sha256(hole.encode()).hexdigest()
    name = "hole_" + digest[:8]
    if before.rfind("{") > before.rfind("}"):
        return f'{name}="1"' + ("" if after[:1] in ",}" else ",")
    if _LABELS.search(before) or after.startswith("{"):
        return name
    if before.rstrip().endswith("["):
        return f"{1 + int(digest[:3], 16)}m"
    return str(1_000_000 + int(digest[:6], 16))


def _bare(text: str) -> str:
    """``text`` with its strings emptied, which may hold brackets."""
    return _STRING.sub('""', text)
