"""``rulegen query`` beside the answer of a real Prometheus: byte for byte, but for the last digits of sums."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request

import pytest
from conftest import Run

START, END = 1785999600, 1786006800  # seconds

EXPRESSIONS = [
    "up",
    'ALERTS{alertstate="firing"}',
    "1 / 0",
    "scalar(count(up)) * 1e-9",
    "-(up / 0) - up",
    "time()",
    "count by (job) (up) * 1e21",
    "absent(nothing)",
    'label_replace(up, "a", "<&>", "", "")',
    "max_over_time(scrape_duration_seconds[10m])",
    "up offset 1h",
    "nothing",
]


ROUNDED = ["sum by (job) (rate(prometheus_http_requests_total[5m]))", "avg(rate(process_cpu_seconds_total[5m]))"]
VALUE = re.compile(r'(?<=,")[^"]*(?="\])')


def both(expr: str, url: str, rulegen: Run) -> tuple[str, str]:
    asked = urllib.parse.urlencode({"query": expr, "start": START, "end": END, "step": 60})
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{asked}") as reply:
        expected = reply.read().decode()
    done = rulegen("query", "--prometheus", url, "--start", START, "--end", END, "--", expr)
    assert done.returncode == 0, done.stderr
    return done.stdout, expected


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_the_answer_is_prometheus_own(expr: str, alertops_url: str, rulegen: Run) -> None:
    found, expected = both(expr, alertops_url, rulegen)
    assert found == expected


@pytest.mark.parametrize("expr", ROUNDED)
def test_sums_differ_in_their_last_digits_at_most(expr: str, alertops_url: str, rulegen: Run) -> None:
    found, expected = both(expr, alertops_url, rulegen)
    assert VALUE.sub("", found) == VALUE.sub("", expected)
    values = [[float(one) for one in VALUE.findall(text)] for text in (found, expected)]
    assert values[1] and values[0] == pytest.approx(values[1], rel=1e-9)
