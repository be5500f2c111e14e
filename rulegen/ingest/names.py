"""What Prometheus allows as a name (the classic rule: letters, digits and ``_``; ``:`` in metric names)."""

from __future__ import annotations

import re

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def is_label_name(name: str) -> bool:
    return _LABEL.fullmatch(name) is not None


def is_metric_name(name: str) -> bool:
    return _METRIC.fullmatch(name) is not None
