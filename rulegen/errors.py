"""Every error that rulegen raises on purpose.

    RulegenError                 exit 1   something went wrong that we can name
    ├── InputError               exit 2   a file, an option or a value the user gave
    ├── UpstreamError            exit 3   a server that is down, slow or answers nonsense
    ├── UnsupportedError         exit 1   PromQL (or anything) that we refuse to guess about
    │   └── QueryError           exit 1   an expression that fails while it is evaluated, as Prometheus would fail it
    └── ModelError               exit 1   a language model that is missing, broken or too slow

Findings about a rule are values, not exceptions: see :class:`Problem`. Exceptions are for when *we* cannot go on.
A message reads ``path:line: group "g", rule "r": what is wrong`` and, where there is one, what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass


class RulegenError(Exception):
    """Base of the tree. ``exit_code`` is what the command line returns."""

    exit_code = 1


class InputError(RulegenError):
    """The user's input cannot be used. Carries every problem found, not only the first."""

    exit_code = 2

    def __init__(self, *messages: str) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages


class UpstreamError(RulegenError):
    """A server did not answer, or not in a way that can be used. The message names the URL, never a secret."""

    exit_code = 3


class UnsupportedError(RulegenError):
    """A construct that rulegen does not evaluate. ``str()`` starts with ``unsupported: ``."""

    def __init__(self, what: str) -> None:
        super().__init__(f"unsupported: {what}")


class QueryError(UnsupportedError):
    """An expression that Prometheus itself would answer with an error (many-to-many matching, a bad regexp)."""

    def __init__(self, what: str) -> None:
        RulegenError.__init__(self, what)


class ModelError(RulegenError):
    """A model that cannot be loaded or does not answer in time."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with one item of the input; the other items are still used unless ``--strict`` is given.

    ``path`` is the file (or URL) as the user named it, ``line`` counts from 1 (0: not known).
    """

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        text = f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"
        # Messages quote the input, which is untrusted: no terminal escapes, no faked lines.
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
