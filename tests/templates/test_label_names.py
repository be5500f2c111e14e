"""Alertmanager matchers for the alerts of a rule."""

from __future__ import annotations

import pytest

from rulegen.templates.template import alerts_of


def test_what_a_template_writes_is_left_out() -> None:
    found = alerts_of("A", {"severity": "page", "owner": "{{ $labels.team }}"})
    assert [str(one) for one in found] == ['alertname="A"', 'severity="page"']


@pytest.mark.parametrize("name", ["service.name", "a b", 'a"b', "a\n- b"])
def test_a_name_that_no_matcher_can_hold_is_refused(name: str) -> None:
    """Prometheus 3 allows any; Alertmanager before 0.27 does not, and later ones want it in quotes."""
    with pytest.raises(ValueError, match="not a label name"):
        alerts_of("A", {name: "x"})
