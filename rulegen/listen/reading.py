"""What senders write → sightings for the store. JSON by msgspec, which checks types while it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

import msgspec

from rulegen.core.labels import ALERT_NAME
from rulegen.store.journal import Sighting

MOST_LABELS, LONGEST_NAME, LONGEST_VALUE = 128, 512, 8_192  # of one alert; characters
AHEAD = 86_400_000  # ms that a sender's clock may be ahead of ours
SHOWN = 5  # reasons in one answer
T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNSET = datetime(1, 1, 1, tzinfo=UTC)  # Go's zero time
Time = Annotated[datetime, msgspec.Meta(tz=True)]  # RFC 3339 knows none without a zone


class NotAlerts(ValueError):
    """A body that can't be read at all."""


class _Posted(msgspec.Struct):
    """Of Alertmanager's OpenAPI description, ``postableAlert``. Unknown keys are ignored: the format grows."""

    labels: dict[str, str]
    startsAt: Time | None = None
    endsAt: Time | None = None


class _Hooked(msgspec.Struct):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    startsAt: Time
    endsAt: Time = _UNSET


class _Payload(msgspec.Struct):
    version: str
    alerts: list[_Hooked]


class _Unread(msgspec.Struct):
    """A payload whose alerts are read one by one, since not all of them are some."""

    version: str
    alerts: list[msgspec.Raw]


_posted = msgspec.json.Decoder(list[_Posted])
_payload = msgspec.json.Decoder(_Payload)
_some_posted, _one_posted = msgspec.json.Decoder(list[msgspec.Raw]), msgspec.json.Decoder(_Posted)
_some_hooked, _one_hooked = msgspec.json.Decoder(_Unread), msgspec.json.Decoder(_Hooked)
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_ordered = msgspec.json.Encoder(order="sorted")

Reading = tuple[list[Sighting], list[str]]  # what can be kept, and what is wrong with the others


def posted(body: bytes, now: int) -> Reading:
    """``POST /api/v2/alerts``, at ``now`` (ms). An alert is over if its ``endsAt`` has come (Alertmanager's
    ``Alert.Resolved``); a missing ``startsAt`` is now, or the end. Raises NotAlerts."""
    good: list[Sighting] = []
    bad: list[str] = []
    alerts: Iterable[tuple[int, _Posted]]
    try:
        alerts = enumerate(_posted.decode(body))
    except msgspec.ValidationError:
        some = _read(_some_posted, body)
        alerts = _each(some, _one_posted, bad)
    except _UNREADABLE as error:
        raise NotAlerts(str(error)) from None
    for number, one in alerts:
        end = _ms(one.endsAt) if isinstance(one.endsAt, datetime) else 0
        start = _ms(one.startsAt) if isinstance(one.startsAt, datetime) else 0
        over = end != 0 and end <= now
        start = start or (end if over else now)
        _add(good, bad, number, one.labels, start, end if over else max(start, now), 0 if over else 1, now)
    return good, bad


def hooked(body: bytes, now: int) -> Reading:
    """Alertmanager's webhook payload, version 4, at ``now`` (ms). Raises NotAlerts."""
    good: list[Sighting] = []
    bad: list[str] = []
    try:
        payload: _Payload | _Unread = _payload.decode(body)
    except msgspec.ValidationError:
        payload = _read(_some_hooked, body)
    except _UNREADABLE as error:
        raise NotAlerts(str(error)) from None
    if payload.version != "4":
        raise NotAlerts(f"version {payload.version[:20]!r} is not supported, only 4")
    alerts: Iterable[tuple[int, _Hooked]]
    alerts = enumerate(payload.alerts) if isinstance(payload, _Payload) else _each(payload.alerts, _one_hooked, bad)
    for number, one in alerts:
        start, over = _ms(one.startsAt), one.status == "resolved"
        _add(good, bad, number, one.labels, start, _ms(one.endsAt) if over else max(start, now), int(not over), now)
    return good, bad


def _read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except _UNREADABLE as error:
        raise NotAlerts(str(error)) from None


def _each(raw: Sequence[msgspec.Raw], decoder: msgspec.json.Decoder[T], bad: list[str]) -> Iterator[tuple[int, T]]:
    """The alerts that can be read, with their numbers; what is wrong with the others goes to ``bad``."""
    for number, one in enumerate(raw):
        try:
            yield number, decoder.decode(one)
        except _UNREADABLE as error:
            bad.append(f"alert {number}: {error}")


def sighted(labels: Mapping[str, str], start: int, last: int, over: bool, now: int) -> Sighting:
    """One alert by its parts; times in ms. Raises ValueError that says what is wrong with it."""
    if wrong := _wrong(labels, start, last, now):
        raise ValueError(wrong)
    return Sighting(canonical(labels), start, last, 0 if over else 1)


def canonical(labels: Mapping[str, str]) -> str:
    """The labels as the store has them: JSON, sorted by name, without those of an empty value."""
    kept = {name: value for name, value in labels.items() if value} if "" in labels.values() else dict(labels)
    return _ordered.encode(kept).decode()


def _add(
    good: list[Sighting],
    bad: list[str],
    number: int,
    labels: Mapping[str, str],
    start: int,
    last: int,
    open: int,
    now: int,
) -> None:
    if wrong := _wrong(labels, start, last, now):
        bad.append(f"alert {number}: {wrong}")
    else:
        good.append(Sighting(canonical(labels), start, last, open))


def _wrong(labels: Mapping[str, str], start: int, last: int, now: int) -> str:
    if not labels.get(ALERT_NAME):
        return "no alertname among its labels"
    if len(labels) > MOST_LABELS:
        return f"{len(labels)} labels, at most {MOST_LABELS} are taken"
    for name, value in labels.items():
        if not name or len(name) > LONGEST_NAME:
            return f"a label name of {len(name)} characters, 1 to {LONGEST_NAME} are taken"
        if len(value) > LONGEST_VALUE:
            return f"a label value of {len(value)} characters, at most {LONGEST_VALUE} are taken"
    if start <= 0:
        return "it starts before 1970"
    if last < start:
        return "it ends before it starts"
    if last > now + AHEAD:
        return "it lies more than a day in the future"
    return ""


def _ms(time: datetime) -> int:
    """0 for Go's zero time."""
    if time.year == 1:
        return 0
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def reasons(wrong: Sequence[str]) -> str:
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return "; ".join(wrong[:SHOWN]) + more
