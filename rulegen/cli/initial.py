"""The first settings, in order: check, ask the server, write."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

from rulegen.batch.disk import told as told_of_disk
from rulegen.cli.history import connection
from rulegen.cli.sources import Sources, about_server
from rulegen.core.durations import SECOND
from rulegen.core.labels import Labels
from rulegen.core.settings import Settings
from rulegen.emit.settingsfile import Told, settings_file
from rulegen.errors import InputError
from rulegen.ingest.prometheus import about
from rulegen.ingest.prometheus.credentials import clean_url
from rulegen.ingest.rulefile import read_rules
from rulegen.score.paging import matching


def perform(sources: Sources, rules: tuple[Path, ...], write: Path) -> None:
    """Writes the file and says on standard output what is next. Raises RulegenError; a file that is there stays."""
    if wrong := tuple(about_server(sources)):
        raise InputError(*wrong)
    if os.path.lexists(write):
        raise InputError(f"{write}: is there already; name another place with --write")
    own = read_rules(rules)[0] if rules else None  # raises for what is no rule file
    now = int(time.time()) * SECOND
    with connection(sources) as conn:
        found = about(conn, now)
    given: dict[str, str | list[str]] = {}
    if rules:
        given["rules"] = [os.path.relpath(path, write.parent) for path in rules]
    for key, value in (("token_file", sources.token_file), ("user", sources.user), ("ca", sources.ca)):
        if value:
            given[key] = str(value) if key == "user" else os.path.relpath(str(value), write.parent)
    alerts = (rule for _, _, rule in own or found.rules if rule.kind == "alert")
    counts = Counter(rule.labels.get("severity", "") for rule in alerts)
    page = Settings().page
    pages = matching(page, "--page")
    text = settings_file(
        Told(
            url=clean_url(sources.prometheus)[0],
            given=given,
            rule_files=found.rule_files,
            groups=found.groups,
            external_labels=found.external_labels,
            alertmanagers=found.alertmanagers,
            retention=found.retention,
            oldest=found.oldest,
            newest=found.newest,
            severities=sorted(counts.items(), key=lambda one: (-one[1], one[0])),
            page=page,
            pages={value: pages(Labels({"severity": value} if value else {})) for value in counts},
            now=now,
        )
    )
    _write(write, text)
    print(f"Written: {write}. Read it, then: rulegen suggest --config {write} --out out")


def _write(path: Path, text: str) -> None:
    """Whole, or not at all, and never over a file that came meanwhile."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, "utf-8", "backslashreplace")
        os.link(aside, path)
    except FileExistsError:
        raise InputError(f"{path}: is there already; name another place with --write") from None
    except OSError as error:
        raise told_of_disk(path, error) from None
    finally:
        aside.unlink(missing_ok=True)
