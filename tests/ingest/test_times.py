from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulegen.ingest.times import parse_rfc3339, parse_time

GOOD = {
    "0": 0,
    "1661140434": 1661140434000,
    " 1661140434.5 ": 1661140434500,
    "1.661140434e9": 1661140434000,
    "-1": -1000,
    "1970-01-01T00:00:00Z": 0,
    "1970-01-01t00:00:00z": 0,
    "1970-01-01T00:00:00": 0,
    "1970-01-01 00:00:00.25": 250,
    "1970-01-01T02:00:00+02:00": 0,
    "1969-12-31T18:30:00-0530": 0,
    "2024-05-01T10:00:00.123456789+02:00": 1714550400123,
    "2024-02-29T00:00:00Z": 1709164800000,
    "0001-01-01T00:00:00Z": -62135596800000,
    "9999-12-31T23:59:59Z": 253402300799000,
}

BAD = {
    "": "not a time: '' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    "yesterday": "not a time: 'yesterday' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    "2024-05-01": "not a time: '2024-05-01' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    "nan": "not a time: 'nan' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    "1_000": "not a time: '1_000' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    "٣": "not a time: '٣' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    "20240-05-01T10:00:00Z": (
        "not a time: '20240-05-01T10:00:00Z' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)"
    ),
    "0000-01-01T00:00:00Z": "not a time: '0000-01-01T00:00:00Z' (year 0 is out of range)",
    "2023-02-29T00:00:00Z": "not a time: '2023-02-29T00:00:00Z' (day is out of range for month)",
    "2024-01-01T24:00:00Z": "not a time: '2024-01-01T24:00:00Z' (hour must be in 0..23)",
    "2024-01-01T00:00:00+99:00": "not a time: '2024-01-01T00:00:00+99:00' (its offset is out of range)",
    "1661140434000": (
        "time 1661140434000 is after the year 9999; Unix times are seconds here, this looks like milliseconds"
    ),
    "1e30": "time 1e30 is after the year 9999",
    "1e999": "time 1e999 is after the year 9999",
}


@pytest.mark.parametrize("text", GOOD)
def test_good_times(text: str) -> None:
    assert parse_time(text) == GOOD[text]


@pytest.mark.parametrize("text", BAD)
def test_bad_times(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_time(text)
    assert str(caught.value) == BAD[text]


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()))
def test_what_python_writes_is_read(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset.seconds % 60:
        moment = moment.astimezone(UTC)  # RFC 3339 has no seconds in an offset; old local times have
    exact = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert (
        parse_rfc3339(moment.isoformat())
        == exact.days * 86_400_000 + exact.seconds * 1000 + exact.microseconds // 1000
    )


@given(st.integers(-(10**10), 10**10))
def test_unix_milliseconds_survive(ms: int) -> None:
    assert parse_time(f"{ms / 1000:.3f}") == ms
