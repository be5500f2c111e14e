"""Which alerts page, and which rules are never touched."""

from __future__ import annotations

import pytest

from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.settings import PAGES
from rulegen.errors import InputError
from rulegen.score.paging import matching
from rulegen.score.protect import by_design, untouchable


@pytest.mark.parametrize(
    ("matchers", "labels", "holds"),
    [
        (PAGES, {"severity": "page"}, True),
        (PAGES, {"severity": "critical"}, True),
        (PAGES, {}, True),  # who gave no severity pages
        (PAGES, {"severity": "ticket"}, False),
        (PAGES, {"severity": "homepage"}, False),
        ('severity="page",team!="dev"', {"severity": "page", "team": "dev"}, False),
        ('severity="page",team!="dev"', {"severity": "page"}, True),
        ('team=~"a|b"', {"team": "b"}, True),
        ('note="a\\"}b{"', {"note": 'a"}b{'}, True),
        ("", {"severity": "anything"}, True),
    ],
)
def test_matching(matchers: str, labels: dict[str, str], holds: bool) -> None:
    assert matching(matchers, "--page")(Labels(labels)) is holds


@pytest.mark.parametrize("matchers", ["severity", "severity=page", 'a="b"} or vector(1)', 'a="b"}[5m', 'a=~"("'])
def test_matchers_that_can_not_be_read_are_named(matchers: str) -> None:
    with pytest.raises(InputError, match="--page"):
        matching(matchers, "--page")(Labels({"a": "b"}))


@pytest.mark.parametrize(
    ("rule", "design"),
    [
        (Rule("Watchdog", "up"), True),
        (Rule("DeadMansSwitch", "up"), True),
        (Rule("dead_mans_switch", "up"), True),
        (Rule("InfoInhibitor", 'ALERTS{severity="info"}'), True),
        (Rule("Always", "vector(1)"), True),
        (Rule("Sum", "vector(1) + 1 > time() - time()"), True),
        (Rule("Down", "up == 0"), False),
        (Rule("Gone", "absent(up)"), False),
        (Rule("Slow", "sum(rate(c[5m])) > 1"), False),
    ],
)
def test_what_fires_by_design(rule: Rule, design: bool) -> None:
    assert by_design(rule) is design
    assert untouchable([])(rule) is design


def test_the_user_protects_by_name_and_label() -> None:
    protected = untouchable(['alertname="Down"', 'team=~"db.*",severity="page"'])
    assert protected(Rule("Down", "up == 0"))
    assert protected(Rule("X", "up == 0", labels=Labels({"team": "dba", "severity": "page"})))
    assert not protected(Rule("X", "up == 0", labels=Labels({"team": "dba"})))
    assert not protected(Rule("DownToo", "up == 0"))
    with pytest.raises(InputError, match="--protect"):
        untouchable(["alertname"])
