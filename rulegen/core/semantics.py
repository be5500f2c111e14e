"""Whose rules are followed where releases of Prometheus differ."""

from __future__ import annotations

from typing import Literal

# "open": as Prometheus 3, windows and lookback leave out their left edge. "closed": as Prometheus 2, they hold it.
# The few other rules that changed between the two follow the same choice and are marked where they are applied.
Semantics = Literal["open", "closed"]
