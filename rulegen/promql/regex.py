"""RE2 regular expressions on Python's ``re``: what both read alike is used, the rest is translated or refused.

RE2 never backtracks, ``re`` does; patterns on which backtracking could explode are refused as well.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NoReturn

from rulegen.errors import QueryError, UnsupportedError

MAX_REPEAT = 1_000  # RE2's own limit for {n,m}
# Backtracking costs about len(value) to the power of the unbounded repetitions in a row.
MAX_UNBOUNDED = 6

_QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(?:(,)(\d*))?\}")
_FLAGS = re.compile(r"\(\?([is]*)(?:-([is]*))?([:)])")
_NAMED = re.compile(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_ESCAPE = re.compile(r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_SPACE = r"\t\n\f\r "
_SAME = "dDwWbB"  # classes that re.ASCII reads as RE2 does
_CONTROL = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


@lru_cache(maxsize=4096)
def compile_regex(pattern: str, *, dot_all: bool = True) -> re.Pattern[str]:
    """An RE2 ``pattern``, to be used with ``fullmatch``: Prometheus anchors every regular expression at both ends.

    ``dot_all``: whether ``.`` matches a newline, as it does since Prometheus 3. Raises UnsupportedError for what
    cannot be matched exactly as RE2 would, or not in reasonable time, QueryError for what RE2 refuses too.
    """
    translated = _Translation(pattern).text
    try:
        return re.compile(translated, re.ASCII | (re.DOTALL if dot_all else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise UnsupportedError(f"regexp {pattern!r}: {error}") from None


class _Translation:
    """Reads an RE2 pattern once from left to right. ``text`` is the same for ``re``."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.level, self.folds = pattern, 0, 0, False
        self.text, unbounded = self._alternatives()
        if self.at < len(pattern):
            self._invalid("unmatched )")
        if unbounded > MAX_UNBOUNDED:
            self._refuse(f"more than {MAX_UNBOUNDED} unbounded repetitions in a row")
        if self.folds and not pattern.isascii():
            self._refuse("(?i) on letters outside ASCII")

    def _refuse(self, why: str) -> NoReturn:
        raise UnsupportedError(f"regexp {self.pattern!r}: {why}")

    def _invalid(self, why: str) -> NoReturn:
        raise QueryError(f"invalid regular expression {self.pattern!r}: {why}")

    def _next(self, length: int = 1) -> str:
        return self.pattern[self.at : self.at + length]

    def _alternatives(self) -> tuple[str, int]:
        """Up to the closing bracket or the end: (text, unbounded repetitions in a row)."""
        self.level += 1
        if self.level > 50:
            self._refuse("brackets nested more than 50 deep")
        opening = ""
        while (flags := _FLAGS.match(self.pattern, self.at)) and flags[3] == ")":
            opening += self._flags(flags)
        branches = [self._branch()]
        while self._next() == "|":
            self.at += 1
            branches.append(self._branch())
        self.level -= 1
        text = "|".join(text for text, _ in branches)
        return opening + text + ")" * opening.count("("), max(unbounded for _, unbounded in branches)

    def _flags(self, flags: re.Match[str]) -> str:
        on, off = flags[1], flags[2] or ""
        self.folds |= "i" in on
        self.at = flags.end()
        return f"(?{on}{'-' + off if off else ''}:"

    def _branch(self) -> tuple[str, int]:
        out, unbounded = [], 0
        while self.at < len(self.pattern) and self._next() not in "|)":
            atom, inner = self._atom()
            suffix, most = self._quantifier()
            if most is None and inner:
                self._refuse("an unbounded repetition inside another")
            inner = inner + 1 if most is None else inner * max(most, 1)
            out.append(atom + suffix)
            unbounded += inner
        return "".join(out), unbounded

    def _quantifier(self) -> tuple[str, int | None]:
        """(text, how often at most; None: without end)."""
        found = _QUANTIFIER.match(self.pattern, self.at)
        if not found:
            return "", 1
        self.at = found.end()
        least, comma, most = found.groups()
        if max(int(least or 0), int(most or 0)) > MAX_REPEAT:
            self._invalid(f"a repetition of more than {MAX_REPEAT}")
        lazy = self._next() == "?"
        self.at += lazy
        if _QUANTIFIER.match(self.pattern, self.at):
            self._invalid("invalid nested repetition operator")
        text = found[0] + ("?" if lazy else "")
        if least is None:
            return text, 1 if found[0] == "?" else None
        return text, int(least) if not comma else int(most) if most else None

    def _atom(self) -> tuple[str, int]:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class(), 0
        if char == "\\":
            return self._escape(inside=False), 0
        self.at += 1
        if char in "*+?":
            self._invalid("missing argument to repetition operator")
        return {"^": r"\A", "$": r"\Z", ".": "."}.get(char, re.escape(char)), 0

    def _group(self) -> tuple[str, int]:
        if flags := _FLAGS.match(self.pattern, self.at):
            if flags[3] == ")":
                self._refuse("flags in the middle of an expression")
            opening = self._flags(flags)
        elif named := _NAMED.match(self.pattern, self.at):
            self.at, opening = named.end(), f"(?P<{named[1]}>"
        elif self._next(2) == "(?":
            self._refuse(f"{self._next(4)!r} groups")
        else:
            self.at, opening = self.at + 1, "("
        inner, unbounded = self._alternatives()
        if self._next() != ")":
            self._invalid("missing )")
        self.at += 1
        return f"{opening}{inner})", unbounded

    def _escape(self, *, inside: bool) -> str:
        if self._next(2) == r"\Q" and not inside:
            end = self.pattern.find(r"\E", self.at)
            literal = self.pattern[self.at + 2 : end if end >= 0 else len(self.pattern)]
            self.at = end + 2 if end >= 0 else len(self.pattern)
            return f"(?:{re.escape(literal)})"
        found = _ESCAPE.match(self.pattern, self.at)
        if not found:
            self._invalid("trailing backslash")
        self.at = found.end()
        wide, byte, char = found.groups()
        if wide or byte:
            code = int(wide or byte, 16)
            if code > 0x10FFFF:
                self._invalid("a character beyond Unicode")
            return re.escape(chr(code))
        if char in _CONTROL:
            return re.escape(_CONTROL[char])
        if char == "s":
            return _SPACE if inside else f"[{_SPACE}]"
        if char == "S" and not inside:
            return f"[^{_SPACE}]"
        if char in _SAME and not (inside and char in "bB"):
            return "\\" + char
        if not inside and char in "Az":
            return {"A": r"\A", "z": r"\Z"}[char]
        if not char.isascii() or char.isalnum():
            self._refuse(f"\\{char}")
        return re.escape(char)

    def _class(self) -> str:
        self.at += 1
        out = ["["]
        if self._next() == "^":
            out.append("^")
            self.at += 1
        first = True
        while first or self._next() != "]":
            if self.at >= len(self.pattern):
                self._invalid("missing ]")
            first = False
            if self._next(2) == "[:":
                out.append(self._posix())
                continue
            low = self._class_char()
            if self._next() == "-" and self._next(2) not in ("-]", "-"):
                self.at += 1
                low = f"{low}-{self._class_char()}"
            out.append(low)
        self.at += 1
        return "".join(out) + "]"

    def _class_char(self) -> str:
        if self._next() == "\\":
            return self._escape(inside=True)
        char = self._next()
        self.at += 1
        # Whatever is no letter or digit is escaped: "&&", "--", "~~", "||" and "[" are reserved in Python's sets.
        return char if char.isalnum() or char == "_" else "\\" + char

    def _posix(self) -> str:
        end = self.pattern.find(":]", self.at)
        name = self.pattern[self.at + 2 : end] if end >= 0 else ""
        if name not in _POSIX:
            self._refuse(f"character class [:{name}:]")
        self.at = end + 2
        return _POSIX[name]
