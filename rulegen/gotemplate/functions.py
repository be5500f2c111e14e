"""The functions that templates of rules may call: Go's own and Prometheus' (template/template.go)."""

from __future__ import annotations

import html
import ipaddress
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote_plus, urlsplit

from rulegen.core.durations import parse_duration
from rulegen.errors import UnsupportedError
from rulegen.gotemplate.parse import TemplateError
from rulegen.gotemplate.values import (
    AnyMap,
    Sample,
    StringMap,
    Time,
    as_float,
    kind,
    rounded,
    shown,
    sprint,
    sprintf,
)
from rulegen.promql.regex import compile_regex
from rulegen.promql.relabel import expand

MAX_MATCHED = 1 << 14  # characters that a regular expression is run over

T = TypeVar("T")
Function = Callable[..., object]

_LARGE, _SMALL = "kMGTPEZY", "munpfazy"


def _is(value: object, wanted: type[T]) -> T:
    """``value`` as an argument of that type. Raises TemplateError."""
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise TemplateError(f"wrong type for value; expected {wanted.__name__}; got {kind(value)}")
    return value


def _same_kind(left: object, right: object) -> str:
    """What two values are compared as. Raises TemplateError where Go has no comparison for them."""
    kinds = [kind(left), kind(right)]
    if any(one not in ("bool", "int", "float64", "string") for one in kinds):
        raise TemplateError("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise TemplateError("incompatible types for comparison")
    return kinds[0]


def _equal(left: object, *others: object) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    found = False
    for other in others:
        _same_kind(left, other)
        found = found or left == other
    return found


def _less(left: object, right: object) -> bool:
    if _same_kind(left, right) == "bool":
        raise TemplateError("invalid type for comparison")
    if isinstance(left, str) and isinstance(right, str):
        return left.encode() < right.encode()
    assert isinstance(left, int | float) and isinstance(right, int | float)
    return left < right


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, StringMap):
            value = value.get(_is(key, str), "")
        elif isinstance(value, AnyMap):
            value = value.get(_is(key, str))
        elif isinstance(value, list | str):
            at = _is(key, int)
            if not 0 <= at < len(value):
                raise TemplateError(f"index out of range: {at}")
            if isinstance(value, str):
                raise UnsupportedError("index of a string in a template")
            value = value[at]
        else:
            raise TemplateError(f"can't index item of type {kind(value)}")
    return value


def _len(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping | list):
        return len(value)
    raise TemplateError(f"len of type {kind(value)}")


def _slice(value: object, *edges: object) -> object:
    if not isinstance(value, str | list):
        raise TemplateError(f"can't slice item of type {kind(value)}")
    if isinstance(value, str) and not value.isascii():
        raise UnsupportedError("slice of a text that is not ASCII in a template")
    found = [_is(edge, int) for edge in edges]
    start, end = [*found, *[0, len(value)][len(found) :]][:2]
    if len(found) > 2 or not 0 <= start <= end <= len(value):
        raise TemplateError("slice out of range")
    return value[start:end]


def _escaped(values: Sequence[object]) -> str:
    text = html.escape(_text(values), quote=False)
    return text.replace('"', "&#34;").replace("'", "&#39;").replace("\0", "\ufffd")


def _text(values: Sequence[object]) -> str:
    return values[0] if len(values) == 1 and isinstance(values[0], str) else sprint(values)


def _js(*values: object) -> str:
    raise UnsupportedError("the function js in a template")


def _call(*values: object) -> str:
    raise TemplateError("call of something that is no function")


def _humanize(value: object) -> str:
    number = as_float(value)
    if number == 0 or not math.isfinite(number):
        return rounded(number)
    return _large(number, 1000, _LARGE) if abs(number) >= 1 else _small(number)


def _large(number: float, base: float, prefixes: Sequence[str]) -> str:
    prefix = ""
    for one in prefixes:
        if abs(number) < base:
            break
        prefix, number = one, number / base
    return rounded(number) + prefix


def _small(number: float) -> str:
    prefix = ""
    for one in _SMALL:
        if abs(number) >= 1:
            break
        prefix, number = one, number * 1000
    return rounded(number) + prefix


def _humanize_1024(value: object) -> str:
    number = as_float(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return rounded(number)
    return _large(number, 1024, ["ki", *(f"{one}i" for one in _LARGE[1:])])


def _humanize_duration(value: object) -> str:
    number = as_float(value)
    if not math.isfinite(number):
        return rounded(number)
    if number == 0:
        return "0s"
    if abs(number) < 1:
        return _small(number) + "s"
    sign, number = ("-", -number) if number < 0 else ("", number)
    if number >= 2**63:
        raise UnsupportedError("humanizeDuration of a number that is out of range")
    whole = int(number)
    days, hours, minutes, seconds = whole // 86_400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{rounded(number)}s"


def _humanize_timestamp(value: object) -> str:
    number = as_float(value)
    return str(_time(number)) if math.isfinite(number) else rounded(number)


def _time(number: float) -> Time:
    nanoseconds = number * 1e9
    if not abs(nanoseconds) < 2**63:
        raise TemplateError(
            f"{shown(number)} cannot be represented as a nanoseconds timestamp since it overflows int64"
        )
    return Time(int(nanoseconds) // 1_000_000 * 1_000_000)  # a model.Time has milliseconds


def _to_time(value: object) -> Time:
    number = as_float(value)
    if not math.isfinite(number):
        raise UnsupportedError(f"toTime of {shown(number)}")
    return _time(number)


def _parse_duration(text: object) -> float:
    try:
        return parse_duration(_is(text, str)) / 1000
    except ValueError as error:
        raise TemplateError(str(error)) from None


def _split_host_port(text: str) -> tuple[str, str] | None:
    """Go, net.SplitHostPort; None where it gives an error."""
    at = text.rfind(":")
    if at < 0:
        return None
    if text.startswith("["):
        end = text.find("]")
        if end < 0 or end + 1 != at:
            return None
        host, rest, after = text[1:end], text[1:], text[end + 1 :]
    else:
        host, rest, after = text[:at], text, text
        if ":" in host:
            return None
    if "[" in rest or "]" in after:
        return None
    return host, text[at + 1 :]


def _strip_port(text: object) -> str:
    found = _split_host_port(_is(text, str))
    return _is(text, str) if found is None else found[0]


def _strip_domain(text: object) -> str:
    whole = _is(text, str)
    host, port = _split_host_port(whole) or (whole, "")
    try:
        ipaddress.ip_address(host)
        return whole
    except ValueError:
        host = host.split(".", 1)[0]
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _title(text: object) -> str:
    out, before = [], " "
    for char in _is(text, str):
        out.append(char.title() if _separates(before) and len(char.title()) == 1 else char)
        before = char
    return "".join(out)


def _separates(char: str) -> bool:
    """Go, strings.Title: what a word may follow."""
    if char.isascii():
        return not (char.isalnum() or char == "_")
    return not (char.isalpha() or char.isdigit()) and char.isspace()


def _cased(name: str) -> Function:
    def change(text: object) -> str:
        given = _is(text, str)
        return "".join(new if len(new := getattr(char, name)()) == 1 else char for char in given)

    return change


def _match(pattern: object, text: object) -> bool:
    return compile_regex(_is(pattern, str), dot_all=False).search(_short(text)) is not None


def _replace_all(pattern: object, replacement: object, text: object) -> str:
    """Go, regexp.ReplaceAllString: an empty match right after a match does not count."""
    given, filled = _short(text), _is(replacement, str)
    out, at, last = [], 0, -1
    for found in compile_regex(_is(pattern, str), dot_all=False).finditer(given):
        if found.end() == found.start() == last:
            continue
        out += [given[at : found.start()], expand(filled, found)]
        at = last = found.end()
    return "".join([*out, given[at:]])


def _short(text: object) -> str:
    given = _is(text, str)
    if len(given) > MAX_MATCHED:
        raise UnsupportedError(f"a regular expression over more than {MAX_MATCHED} characters in a template")
    return given


def _samples(value: object) -> list[Sample]:
    if not isinstance(value, list):
        raise TemplateError(f"wrong type for value; expected template.queryResult; got {kind(value)}")
    return value


def _first(value: object) -> Sample:
    samples = _samples(value)
    if not samples:
        raise TemplateError("first() called on vector with no elements")
    return samples[0]


def _label(name: object, sample: object) -> str:
    return _is(sample, Sample).Labels.get(_is(name, str), "")


def _sort_by_label(name: object, value: object) -> list[Sample]:
    by = _is(name, str)
    samples = _samples(value)
    samples.sort(key=lambda sample: sample.Labels.get(by, "").encode())
    return samples


def _link(tab: int) -> Function:
    return lambda expr: f"/graph?g0.expr={quote_plus(_is(expr, str), safe='~')}&g0.tab={tab}"


def _humanize_percentage(value: object) -> str:
    return rounded(as_float(value) * 100) + "%"


# `and` and `or` are not here: they do not work out all of their arguments.
FUNCTIONS: dict[str, Function] = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": _less,
    "le": lambda left, right: _less(left, right) or _equal(left, right),
    "gt": lambda left, right: not (_less(left, right) or _equal(left, right)),
    "ge": lambda left, right: not _less(left, right),
    "index": _index,
    "len": _len,
    "slice": _slice,
    "print": lambda *values: sprint(values),
    "println": lambda *values: " ".join(shown(value, top=False) for value in values) + "\n",
    "printf": lambda pattern, *values: sprintf(_is(pattern, str), values),
    "html": lambda *values: _escaped(values),
    "js": _js,
    "urlquery": lambda *values: quote_plus(_text(values), safe="~"),
    "call": _call,
    "args": lambda *values: AnyMap({f"arg{at}": value for at, value in enumerate(values)}),
    "first": _first,
    "graphLink": _link(0),
    "humanize": _humanize,
    "humanize1024": _humanize_1024,
    "humanizeDuration": _humanize_duration,
    "humanizePercentage": _humanize_percentage,
    "humanizeTimestamp": _humanize_timestamp,
    "label": _label,
    "match": _match,
    "parseDuration": _parse_duration,
    "reReplaceAll": _replace_all,
    "safeHtml": lambda text: _is(text, str),
    "sortByLabel": _sort_by_label,
    "stripDomain": _strip_domain,
    "stripPort": _strip_port,
    "strvalue": lambda sample: _is(sample, Sample).Labels.get("__value__", ""),
    "tableLink": _link(1),
    "title": _title,
    "toLower": _cased("lower"),
    "toTime": _to_time,
    "toUpper": _cased("upper"),
    "value": lambda sample: _is(sample, Sample).Value,
}


def outside(url: str) -> dict[str, Function]:
    """The functions that depend on the server's external ``url``."""
    return {"externalURL": lambda: url, "pathPrefix": lambda: urlsplit(url).path}
