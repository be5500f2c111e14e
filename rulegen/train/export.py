"""Writes a world to a folder, so that everything else can read it as it would a team's real history.

python -m rulegen.train.export datasets/demo.recipe.yaml datasets/demo
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rulegen.core.durations import format_duration
from rulegen.core.rule import Rule
from rulegen.errors import InputError, RulegenError
from rulegen.train.chance import stream
from rulegen.train.openmetrics import write_openmetrics
from rulegen.train.recipe import read_recipe
from rulegen.train.rule_text import write_rules
from rulegen.train.world import RULES_FILE, World, build_world


def render(world: World) -> dict[str, bytes]:
    """The files of a world by name. The same world gives the same bytes (with the same zlib)."""
    metrics = "".join(write_openmetrics(world.samples, world.measures))
    rules = write_rules(world.rules, stream(world.seed, "text"))
    return {
        "metrics.om.gz": gzip.compress(metrics.encode(), compresslevel=9, mtime=0),
        RULES_FILE: rules.encode(),
        "incidents.csv": _incidents(world).encode(),
        "alertmanager.yml": _alertmanager(world).encode(),
        "truth.json": _truth(world).encode(),
    }


def _incidents(world: World) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "start", "end", world.dialect.service])
    for incident in world.record.incidents:
        span = incident.span
        writer.writerow([incident.id, span.start // 1000, span.end // 1000, incident.labels[world.dialect.service]])
    return out.getvalue()


def _alertmanager(world: World) -> str:
    service, page, ticket = world.dialect.service, world.dialect.page, world.dialect.ticket
    return f"""# The routing that goes with {RULES_FILE}.
route:
  receiver: pager
  group_by: [alertname, {service}]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes:
    - matchers: [alertname="{world.dialect.alert("Watchdog")}"]
      receiver: heartbeat
      repeat_interval: 5m
    - matchers: [severity="{ticket}"]
      receiver: tickets
      group_wait: 5m
      repeat_interval: 1d
inhibit_rules:
  - source_matchers: [severity="{page}"]
    target_matchers: [severity="{ticket}"]
    equal: [alertname, {service}]
receivers:
  - name: pager
  - name: tickets
  - name: heartbeat
"""


def _truth(world: World) -> str:
    record = {
        "recipe": world.recipe.name,
        "seed": world.seed,
        "judged": [[span.start // 1000, span.end // 1000] for span in world.record.judged],
        "rules": [
            {
                "rule": truth.rule,
                "kind": truth.kind,
                "pattern": truth.pattern,
                "answer": truth.answer
                and {"template": truth.answer.template, "also": list(truth.answer.also), **_rule(truth.answer.rule)},
                "trap": truth.trap
                and {"template": truth.trap.template, "loses": list(truth.trap.loses), **_rule(truth.trap.rule)},
            }
            for truth in world.truths
        ],
    }
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {"expr": rule.expr, "for": format_duration(rule.hold), "labels": dict(rule.labels)}


def write(world: World, folder: Path) -> None:
    """Writes the files of ``world`` into ``folder``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in render(world).items():
        unfinished = folder / f".{name}.part"
        unfinished.write_bytes(content)
        unfinished.replace(folder / name)


def main(arguments: Sequence[str]) -> int:
    """``RECIPE FOLDER``: builds and writes. Returns the exit code; what is wrong goes to stderr."""
    if len(arguments) != 2:
        print("usage: python -m rulegen.train.export RECIPE FOLDER", file=sys.stderr)
        return InputError.exit_code
    path, folder = map(Path, arguments)
    try:
        recipe = read_recipe(path.read_text(encoding="utf-8"), str(path))
        world = build_world(recipe)
        write(world, folder)
    except RulegenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (OSError, UnicodeDecodeError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return InputError.exit_code
    print(f"{folder}: {len(world.samples)} series, {len(world.rules)} rules, {len(world.record.incidents)} incidents")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
