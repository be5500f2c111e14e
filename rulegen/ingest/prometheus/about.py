"""What a server tells of itself: where its rules lie, what it adds to every alert, how far back it reaches.

Every answer but the first is optional: the kin leave out what is not theirs to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rulegen.core.durations import DAY, HOUR
from rulegen.core.rule import RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.spans import Grid
from rulegen.errors import UpstreamError
from rulegen.ingest.prometheus.build import read_semantics
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.prometheus.credentials import clean_url
from rulegen.ingest.prometheus.failures import Unreachable
from rulegen.ingest.prometheus.rules import fetch_rules
from rulegen.ingest.prometheus.samples import query_range

FARTHEST = 400 * DAY


@dataclass(frozen=True, slots=True)
class About:
    """``rule_files`` as the server names them (patterns), ``groups`` its files with groups in them. ``retention`` is
    its own words, ``oldest`` and ``newest`` the first and the last time (ms, to 6 hours) at which it has any target's
    ``up``; None: not told."""

    semantics: Semantics | None
    rules: RuleSet
    rule_files: tuple[str, ...]
    groups: tuple[str, ...]
    external_labels: tuple[tuple[str, str], ...]
    alertmanagers: tuple[str, ...]
    retention: str
    oldest: int | None
    newest: int | None


def about(conn: Connection, now: int) -> About:
    """Asks ``conn`` for all of it; ``now`` is in ms. Raises UpstreamError when it can't be reached or has no rules'
    API."""
    semantics = read_semantics(conn)
    rules, _ = fetch_rules(conn)
    config = _config(conn)
    outer = config.get("global")
    labels = outer.get("external_labels") if isinstance(outer, dict) else None
    files = config.get("rule_files")
    reach = _reach(conn, now)
    flags = _data(conn, "/api/v1/status/flags")
    return About(
        semantics=semantics,
        rules=rules,
        rule_files=tuple(map(str, files)) if isinstance(files, list) else (),
        groups=tuple(dict.fromkeys(group.path for group in rules.groups if group.path)),
        external_labels=tuple((str(k), str(v)) for k, v in labels.items()) if isinstance(labels, dict) else (),
        alertmanagers=tuple(dict.fromkeys(_alertmanagers(_data(conn, "/api/v1/alertmanagers")))),
        retention=str(flags.get("storage.tsdb.retention.time") or "") if isinstance(flags, dict) else "",
        oldest=min(reach, default=None),
        newest=max(reach, default=None),
    )


def _data(conn: Connection, path: str) -> Any:
    try:
        return conn.ask(path).data
    except Unreachable:
        raise
    except UpstreamError:
        return None


def _config(conn: Connection) -> Mapping[str, Any]:
    data = _data(conn, "/api/v1/status/config")
    text = data.get("yaml") if isinstance(data, dict) else None
    try:
        found = YAML(typ="safe").load(text) if isinstance(text, str) else None
    except (YAMLError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _alertmanagers(data: Any) -> Iterator[str]:
    """Their roots, without credentials."""
    active = data.get("activeAlertmanagers") if isinstance(data, dict) else None
    for one in active if isinstance(active, list) else ():
        url = one.get("url") if isinstance(one, dict) else None
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            yield clean_url(url.partition("?")[0].partition("/api/v")[0])[0]


def _reach(conn: Connection, now: int) -> list[int]:
    try:
        series, _ = query_range(conn, "count(up)", Grid(max(0, now - FARTHEST), now, 6 * HOUR))
    except Unreachable:
        raise
    except UpstreamError:
        return []
    return [int(one.times[at]) for one in series if len(one.times) for at in (0, -1)]
