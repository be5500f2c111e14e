"""Writing YAML scalars that every YAML reader, 1.1 or 1.2, reads back as the same text."""

from __future__ import annotations

import re

# YAML 1.1 (which Prometheus' library reads in part) takes these for booleans and nulls.
_WORDS = frozenset(("y", "yes", "n", "no", "on", "off", "true", "false", "null"))
_PLAIN = re.compile(r"[A-Za-z_(]\S*(?: \S+)*")
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[ywdhms]))+")
_FLOW = re.compile(r"[,\[\]{}:?]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[|>](?P<chomp>[+-]?)[0-9]?(?P<chomp2>[+-]?)(?P<rest>[ \t]+#[^\r\n]*)?")


def is_plain(value: str, flow: bool = False) -> bool:
    """Whether ``value`` [one line] may stand without quotes.

    ``flow``: inside ``{}`` or ``[]``, where more characters mean something.
    """
    if _DURATION.fullmatch(value):
        return True
    return (
        _PLAIN.fullmatch(value) is not None
        and value.isprintable()
        and value.lower() not in _WORDS
        and not value.endswith(":")
        and ": " not in value
        and " #" not in value
        and not (flow and _FLOW.search(value))
    )


def double(value: str) -> str:
    """``value`` in double quotes on one line. A lone surrogate, which no file can hold, becomes U+FFFD."""
    return '"' + "".join(_escaped(char) for char in value) + '"'


def single(value: str) -> str:
    """``value`` [printable, one line] in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def scalar(value: str, flow: bool = False) -> str:
    """``value`` on one line: without quotes where that is safe, else in the quotes that need the least escaping."""
    if is_plain(value, flow):
        return value
    return single(value) if value.isprintable() and ('"' in value or "\\" in value) else double(value)


def name(value: str) -> str:
    """A mapping key: a label name stands as it is (quoted where YAML would read a boolean), anything else quoted."""
    return value if _NAME.fullmatch(value) and value.lower() not in _WORDS else double(value)


def like(value: str, written: str, flow: bool = False) -> str:
    """``value`` on one line in the quoting of ``written``, the scalar that it takes the place of."""
    if written.startswith('"'):
        return double(value)
    if written.startswith("'"):
        return single(value) if value.isprintable() else double(value)
    return scalar(value, flow)


def literal(value: str, indent: int, newline: str, header: str = "|-") -> str | None:
    """``value`` as a literal block whose lines stand at column ``indent``; None where a block cannot hold it.

    ``header`` is the first line of the block that it takes the place of; its chomping and comment are kept.
    """
    lines = value.split("\n")
    printable = all(line.replace("\t", " ").isprintable() for line in lines)
    match = _HEADER.fullmatch(header.rstrip())
    if not printable or not value.strip() or lines[0][:1] in (" ", "\t", "") or match is None:
        return None
    chomp = "-" if "-" in (match["chomp"], match["chomp2"]) else ""
    first = f"|{chomp}{match['rest'] or ''}"
    return newline.join([first, *(" " * indent + line if line.strip() else "" for line in lines)])


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
