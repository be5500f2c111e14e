"""Which receivers an alert reaches, beside ``amtool config routes test``; and that amtool takes the files we take."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import servers

from rulegen.core.labels import Labels
from rulegen.errors import InputError
from rulegen.ingest.alertmanager import read_alertmanager

TREES = {
    "deep": """
        routes:
          - match: {team: db}
            receiver: b
            routes:
              - match_re: {severity: 'page|warn.*'}
                receiver: c
                continue: true
              - matchers: [severity!="page", 'host=~"a.+"']
                receiver: d
          - matchers: ['{team!~"db|web", severity="page"}']
            receiver: c
    """,
    "continues": """
        routes:
          - matchers: [severity = page]
            receiver: b
            continue: true
          - matchers: ["team =~ ^d.*$", host!=""]
            receiver: c
            continue: true
            routes:
              - matchers: [host=~"a1|b1"]
              - matchers: [host=""]
                receiver: b
          - receiver: d
            matchers: ['severity="page,warn"']
    """,
}
VALUES = {
    "team": ("db", "web", "dx", ""),
    "severity": ("page", "warn", "warning", "page,warn", ""),
    "host": ("a1", "b1", "a", ""),
}


def config(tree: str) -> str:
    return (
        "route:\n  receiver: a\n"
        + "\n".join(line[6:] for line in tree.strip("\n").splitlines())
        + "\nreceivers: [{name: a}, {name: b}, {name: c}, {name: d}]\n"
    )


@pytest.mark.parametrize("name", TREES)
def test_routes_as_amtool_does(name: str, tmp_path: Path) -> None:
    amtool = servers.binary("amtool")
    file = tmp_path / "alertmanager.yml"
    file.write_text(config(TREES[name]))
    root = read_alertmanager(file).root
    random = np.random.default_rng(3)
    reached = set()
    for _ in range(40):
        labels = {key: str(random.choice(values)) for key, values in VALUES.items()}
        given = [f'{key}="{value}"' for key, value in labels.items() if value]
        command = [amtool, "config", "routes", "test", f"--config.file={file}", *given]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        ours = ",".join(route.receiver for route in root.match(Labels(labels)))
        assert told == ours, labels
        reached.add(ours)
    assert len(reached) > 3


# What is wrong, and the message; both sides have to refuse it.
BAD = {
    "no-route": ("receivers: [{name: a}]", "{file}:1: route: is missing"),
    "unknown-receiver": (
        "route:\n  receiver: a\n  routes:\n    - receiver: z\nreceivers: [{name: a}]",
        '{file}:4: route.routes.1.receiver: undefined receiver "z"',
    ),
    "unknown-field": ("route: {receiver: a}\nreceivers: [{name: a}]\nroutes: []", "{file}:3: routes: unknown field"),
    "unknown-integration": (
        "route: {receiver: a}\nreceivers:\n  - name: a\n    pager_configs: [{key: hush}]",
        "{file}:4: receivers.1.pager_configs: unknown field",
    ),
    "root-filters": (
        "route:\n  receiver: a\n  match: {a: b}\nreceivers: [{name: a}]",
        "{file}:3: route.match: the root route takes every alert at any time: it must not have any",
    ),
    "bad-duration": (
        "route: {receiver: a}\nreceivers: [{name: a}]\ntime_intervals: [{name: x}]\n".replace(
            "{receiver: a}\n", "{receiver: a, group_interval: 0s}\n", 1
        ),
        "{file}:1: route.group_interval: cannot be zero",
    ),
    "bad-matcher": (
        "route:\n  receiver: a\n  routes:\n    - matchers: ['a b']\nreceivers: [{name: a}]",
        "{file}:4: route.routes.1.matchers: bad matcher format: a b",
    ),
    "mixed-grouping": (
        "route:\n  receiver: a\n  group_by: [..., b]\nreceivers: [{name: a}]",
        "{file}:1: route: group_by: cannot have the wildcard ... and other labels at the same time",
    ),
    "unknown-interval": (
        "route:\n  receiver: a\n  routes:\n    - mute_time_intervals: [x]\nreceivers: [{name: a}]",
        '{file}:4: route.routes.1.mute_time_intervals.1: undefined time interval "x"',
    ),
    "bad-weekday": (
        "route: {receiver: a}\nreceivers: [{name: a}]\n"
        "time_intervals:\n  - name: x\n    time_intervals:\n      - weekdays: ['monday:sunday']",
        "{file}:6: time_intervals.1.time_intervals.1.weekdays.1: the end of 'monday:sunday' is before its start; "
        "weekdays cannot wrap around",
    ),
    "twin-receiver": (
        "route: {receiver: a}\nreceivers:\n  - name: a\n  - name: a",
        '{file}:4: receivers.2.name: the name "a" is not unique',
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_amtool_refuses(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    checked = subprocess.run([servers.binary("amtool"), "check-config", str(file)], capture_output=True, text=True)
    assert checked.returncode != 0
    with pytest.raises(InputError) as caught:
        read_alertmanager(file)
    assert str(caught.value) == message.replace("{file}", str(file))


def test_every_error_is_told_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(
        "global: {slack_api_url: 'https://hooks/SECRET'}\n"
        "route:\n  receiver: a\n  group_wait: soon\n  repeat_interval: 0s\n"
        "receivers:\n  - name: a\n    slack_configs:\n"
        "      - {api_url: 'https://hooks/SECRET', send_resolved: SECRET}\n"
    )
    with pytest.raises(InputError) as caught:
        read_alertmanager(file)
    assert [message.split(": ")[0] for message in caught.value.messages] == [f"{file}:4", f"{file}:5"]
    file.write_text(file.read_text().replace("soon", "1s").replace("0s", "1h"))
    with pytest.raises(InputError, match="send_resolved: should be true or false") as caught:
        read_alertmanager(file)
    assert "SECRET" not in str(caught.value)
    file.write_text(file.read_text().replace("send_resolved: SECRET", "send_resolved: yes"))
    assert "SECRET" not in repr(read_alertmanager(file))


def test_reads_a_file_without_integrations(tmp_path: Path) -> None:
    routing = read_alertmanager(Path(__file__).parents[3] / "shared/data/nezha-onlineboutique/alertmanager.yml")
    assert routing.stripped
    assert [route.receiver for route in routing.root.match(Labels({"severity": "ticket"}))] == ["tickets"]
    assert routing.root.group_by == ("alertname", "service")
