"""What can be judged from a store, alone and beside samples: commands on the shop history, with what they print.

``python -m evals.store_example [DATA]`` has a real Prometheus evaluate the shop's rules at every full minute, and
sends what fires to a listening rulegen as a Prometheus would have, seven seconds later and with an external label
(``cluster="eu"``). The alerts of one service, ``recommendationservice``, are another team's, who call them ``Reco…``;
the rules are given without those. ``suggest`` and ``replay`` then run on the store: alone, with the rules, with the
samples as a file, and with the real Prometheus, which has the samples and no ``ALERTS``. Each command is printed with
its output, the longer ones up to their first lines and those about alerts, and its exit code. Needs Debian's
``prometheus``. DATA is the directory of the history (default: ../shared/data/nezha-onlineboutique).
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ruamel.yaml import YAML

from evals.independent import STEP, blocks_of, firings_of, free_port, serving
from evals.shop import FIRST, JUDGED, LAST

OTHERS = "recommendationservice"
RULEGEN = (sys.executable, "-m", "rulegen.cli.main")
LINES = 8  # of a longer output
SENT, LATER = {"cluster": "eu"}, 7  # s: a group is evaluated at an offset of its own
FILES = "--store alerts.db --metrics metrics.om.gz --rules rules.yml"
SERVER = f"--store alerts.db --prometheus URL --start {FIRST} --end {LAST} --rules rules.yml"
WRONG = " ".join(["--incidents incidents.csv", *JUDGED, "--lead 0s"])
COMMANDS = (
    "push webhooks.jsonl --to GRPC",
    "suggest --store alerts.db --out out",
    "replay --store alerts.db --rules rules.yml --firings 0",
    f"replay {FILES} --check-against ALERTS --firings 0",
    f"suggest {FILES} {WRONG} --out out",
    f"suggest {SERVER} {WRONG} --no-cache --out out",
    f"replay {SERVER} --no-cache --check-against ALERTS --firings 0",
)
Alert = tuple[dict[str, str], int, int]  # labels, first and last evaluation firing in Unix seconds


def main() -> None:
    default = Path(__file__).parents[2] / "shared/data/nezha-onlineboutique"
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        for name in ("metrics.om.gz", "incidents.csv"):
            shutil.copyfile(data / name, home / name)
        first = Path(folder) / "first"
        first.mkdir()
        with serving(blocks_of(data / "metrics.om.gz", first), first) as url:
            alerts = list(fired(url, data / "rules.yml"))
            (home / "rules.yml").write_text(without(data / "rules.yml"))
            (home / "webhooks.jsonl").write_text("".join(webhook(one) for one in alerts))
            with listening(home) as grpc:
                for command in COMMANDS:
                    shown(home, command, {"GRPC": f"grpc://{grpc}", "URL": url})


def fired(url: str, rules: Path) -> Iterator[Alert]:
    """What a real Prometheus says of the rules' alerts, all of which fire at once (none has a ``for``)."""
    for group in YAML(typ="safe").load(rules.read_text())["groups"]:
        for rule in group["rules"]:
            for labels, start, end in firings_of(url, rule["expr"], FIRST // STEP * STEP, LAST):
                kept = {name: value for name, value in labels.items() if name != "__name__"}
                name = f"Reco{rule['alert']}" if group["name"] == OTHERS else rule["alert"]
                yield {**kept, **rule["labels"], "alertname": name}, start, end


def without(rules: Path) -> str:
    """The rule file's text without the group of the other team, which is not its last."""
    head, _, rest = rules.read_text().partition(f"  - name: {OTHERS}\n")
    return head + "  - name: " + rest.partition("  - name: ")[2]


def webhook(alert: Alert) -> str:
    labels, start, end = alert
    times = {"startsAt": stamp(start + LATER), "endsAt": stamp(end + STEP + LATER)}  # over at the evaluation after
    one = {"status": "resolved", "labels": {**labels, **SENT}, **times}
    return json.dumps({"version": "4", "status": "resolved", "alerts": [one]}) + "\n"


def stamp(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


@contextlib.contextmanager
def listening(home: Path) -> Iterator[str]:
    """A listening rulegen on ``home``'s store; where it takes gRPC."""
    grpc = f"127.0.0.1:{free_port()}"
    command = [*RULEGEN, "listen", "--store", "alerts.db", "--http", "", "--grpc", grpc]
    command += ["--retention", "100y"]  # the history is older than what is kept by default
    log = home / "listen.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=home, stderr=out, env=environment())
    try:
        for _ in range(600):
            if b"listening on" in log.read_bytes():
                break
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.1)
        yield grpc
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "110"}


def shown(home: Path, command: str, places: dict[str, str]) -> None:
    """Runs a command, in which words of ``places`` stand for what differs between runs, and prints both."""
    words = [places.get(word, word) for word in shlex.split(command)]
    began = time.monotonic()
    done = subprocess.run(
        [*RULEGEN, *words, *(["-q"] if words[0] != "push" else [])],
        cwd=home, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    text = done.stdout + done.stderr
    for name, place in places.items():
        text = text.replace(place, name)
    lines = text.splitlines()
    kept = [
        line
        for line in lines[LINES:]
        if line.startswith(("doubt", "grade", "beside", "all rules")) or "recorded" in line
    ]
    print(f"$ rulegen {command}", *lines[:LINES], *(["…", *kept] if len(lines) > LINES else []), sep="\n")
    print(f"(exit code {done.returncode}, {time.monotonic() - began:.1f} s, {len(lines)} lines)\n", flush=True)


if __name__ == "__main__":
    main()
