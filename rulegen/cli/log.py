"""What a command says on standard error: lines for people, or one JSON object a line (``--log-format json``).

A JSON line has ``time`` (RFC 3339, UTC), ``level`` (info, warning or error), ``message``, and what else there is to
say. Messages quote the input, which is untrusted: no terminal escapes, no forged lines. They hold no secret: what
a server or a user wrote is cleaned where it is read.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Literal

from rulegen.errors import InputError

Level = Literal["info", "warning", "error"]
FORMS = ("text", "json")
_chosen = "text"


def choose(form: str) -> None:
    """How the rest of this process logs. Raises InputError."""
    global _chosen
    if form not in FORMS:
        raise InputError(f"--log-format: {form!r} is neither {' nor '.join(FORMS)}")
    _chosen = form


def structured() -> bool:
    """Whether standard error is for a machine."""
    return _chosen == "json"


def say(message: str, level: Level = "info", **fields: object) -> None:
    """``message`` may have several lines; those that start with a space belong to the one before."""
    if _chosen == "json":
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": time, "level": level, "message": message, **fields})  # ASCII: escapes are escaped
        print(line, file=sys.stderr, flush=True)
        return
    for number, line in enumerate(message.splitlines()):
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
        print(f"rulegen: {text}" if not number or not line.startswith(" ") else text, file=sys.stderr, flush=True)
