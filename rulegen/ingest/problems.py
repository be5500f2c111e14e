"""What is wrong with a piece of input, said in one line that is safe to print."""

from __future__ import annotations

from pydantic import ValidationError

from rulegen.errors import Problem

MAX_MESSAGE = 500
_OBJECTS = ("model_type", "dict_type")  # pydantic says "dictionary or instance of …", JSON says object


def problem(path: str, line: int, message: str) -> Problem:
    """A Problem whose message is one line of at most ``MAX_MESSAGE`` characters.

    Names and values from the input stand in messages. Whoever wrote them must not be able to forge a line or to steer
    the terminal: what is not printable is shown as its escape.
    """
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 1] + "…"
    return Problem(path, line, "".join(map(_shown, message)))


def told(error: ValidationError) -> str:
    """``labels.severity: input should be a valid string; startsAt: field required``; the values are left out."""
    parts = []
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(step) for step in one["loc"])
        text = "should be an object" if one["type"] in _OBJECTS else one["msg"][:1].lower() + one["msg"][1:]
        parts.append(f"{place}: {text}" if place else text)
    return "; ".join(parts)


def _shown(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()
