"""Go's values as templates see them, and how Go prints them (package fmt).

``str`` is string, ``float`` float64, ``int`` int, ``bool`` bool, ``None`` nil, ``list`` a query result; maps and the
rest have types of their own here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rulegen.errors import UnsupportedError
from rulegen.gotemplate.parse import TemplateError

MAX_WIDTH = 10_000  # characters; Go allows a million

_VERB = re.compile(r"%([-+# 0]*)(\d+|\*)?(?:(\.)(\d+|\*)?)?(\[\d+\])?(.)?", re.DOTALL)


class StringMap(dict[str, str]):
    """map[string]string: a key that is missing is the empty string."""


class AnyMap(dict[str, object]):
    """map[string]interface{}: a key that is missing is nil."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of a query's result."""

    Labels: StringMap
    Value: float


@dataclass(frozen=True, slots=True)
class Data:
    """What ``.`` is in the template of an alert."""

    Labels: StringMap
    ExternalLabels: StringMap
    ExternalURL: str
    Value: float


@dataclass(frozen=True, slots=True)
class Time:
    """A time.Time in UTC, nanoseconds since the epoch."""

    nanoseconds: int

    def __str__(self) -> str:
        seconds, rest = divmod(self.nanoseconds, 10**9)
        days, seconds = divmod(seconds, 86_400)
        year, month, day = _date(days)
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return f"{year:04d}-{month:02d}-{day:02d} {clock}{fraction} +0000 UTC"


def _date(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar, any year."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    return year + era * 400 + (month <= 2), month, day


def kind(value: object) -> str:
    """The name of a value's Go type, as %T prints it."""
    if value is None:
        return "<nil>"
    for one, name in (
        (bool, "bool"),
        (int, "int"),
        (float, "float64"),
        (str, "string"),
        (StringMap, "map[string]string"),
        (AnyMap, "map[string]interface {}"),
        (list, "template.queryResult"),
        (Sample, "*template.sample"),
        (Time, "*time.Time"),
    ):
        if isinstance(value, one):
            return name
    return "struct"


def shown(value: object, *, top: bool = True) -> str:
    """As ``%v`` prints it. Raises UnsupportedError for what prints as an address in memory."""
    if value is None:
        return "<no value>" if top else "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{shown(value[key], top=False)}' for key in sorted(value))}]"
    if isinstance(value, Data):
        return f"{{{shown(value.Labels)} {shown(value.ExternalLabels)} {value.ExternalURL} {shown(value.Value)}}}"
    if isinstance(value, Sample) and top:
        return f"{{{shown(value.Labels)} {shown(value.Value)}}}"
    if isinstance(value, list) and not value:
        return "[]"
    if isinstance(value, Sample | list):
        raise UnsupportedError(f"printing a {kind(value)}, which shows addresses in memory")
    return str(value)


def shortest(value: float) -> str:
    """%g with as many digits as it takes to read the same number again."""
    if not math.isfinite(value):
        return _infinite(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0") or "0"
    while len(text) > 1 and text.endswith("0"):
        text, exponent = text[:-1], exponent + 1
    point = len(text) + exponent if value else 1  # where the decimal point is
    minus = "-" if sign else ""
    if not -4 <= point - 1 < 6:  # Go, strconv: with the shortest digits, an exponent from 1e+06 on
        return minus + _scientific(text, point - 1)
    if point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    if point >= len(text):
        return minus + text + "0" * (point - len(text))
    return f"{minus}{text[:point]}.{text[point:]}"


def _scientific(digits: str, exponent: int) -> str:
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{rest}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _infinite(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def sprint(values: Sequence[object]) -> str:
    """fmt.Sprint: spaces between operands where neither is a string."""
    out: list[str] = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            out.append(" ")
        out.append(shown(value, top=False))
    return "".join(out)


def sprintf(pattern: str, values: Sequence[object]) -> str:
    """fmt.Sprintf. Raises UnsupportedError for verbs that templates of rules have no use for."""
    rest = list(values)

    def one(found: re.Match[str]) -> str:
        flags, width, dot, precision, index, verb = found.groups()
        if index:
            raise UnsupportedError("argument indexes in printf")
        if verb == "%":
            return "%"
        if verb is None:
            return "%!(NOVERB)"
        if width == "*":
            width, flags = _star(rest, flags)
        if precision == "*":
            precision, _ = _star(rest, "")
        if not rest:
            return f"%!{verb}(MISSING)"
        value = rest.pop(0)
        wide, digits = int(width or 0), int(precision or 0) if dot else None
        if max(wide, digits or 0) > MAX_WIDTH:
            raise UnsupportedError(f"printf with a width of more than {MAX_WIDTH}")
        text = _formatted(verb, value, flags, digits)
        if text is None:
            return f"%!{verb}({kind(value)}={shown(value, top=False)})" if value is not None else f"%!{verb}(<nil>)"
        return _padded(text, wide, flags, number=isinstance(value, int | float) and verb not in "vT")

    text = _VERB.sub(one, pattern)
    if rest:
        extra = ", ".join("<nil>" if v is None else f"{kind(v)}={shown(v, top=False)}" for v in rest)
        text += f"%!(EXTRA {extra})"
    return text


def _star(rest: list[object], flags: str) -> tuple[str, str]:
    if not rest or isinstance(rest[0], bool) or not isinstance(rest[0], int):
        raise UnsupportedError("printf with a width that is no number")
    width = rest.pop(0)
    assert isinstance(width, int)
    return str(abs(width)), flags + "-" if width < 0 else flags


def _padded(text: str, width: int, flags: str, *, number: bool) -> str:
    if len(text) >= width:
        return text
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and text.lstrip("+- ")[:1].isdigit() and number:
        sign = text[0] if text[0] in "+- " else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width, "0" if "0" in flags and not number else " ")


def _formatted(verb: str, value: object, flags: str, digits: int | None) -> str | None:
    """One operand without padding; None for a verb that does not go with it."""
    if verb == "T":
        return kind(value)
    if verb == "v":
        if "#" in flags:
            raise UnsupportedError("%#v in printf")
        if isinstance(value, float) and digits is not None:
            return _float("g", value, flags, digits)
        text = shown(value, top=False)
        signed = isinstance(value, int | float) and not isinstance(value, bool)
        return _signed(text, flags) if signed else text[:digits] if isinstance(value, str) else text
    if isinstance(value, bool):
        return shown(value) if verb == "t" else None
    if isinstance(value, float):
        return _float(verb, value, flags, digits) if verb in "eEfFgG" else None
    if isinstance(value, int):
        return _integer(verb, value, flags, digits)
    if isinstance(value, str | Time):
        text = str(value)
        if verb == "s":
            return text[:digits]
        if verb in "qxX":
            return _string(verb, text[:digits], flags)
        return None
    raise UnsupportedError(f"%{verb} of a {kind(value)} in printf")


def _float(verb: str, value: float, flags: str, digits: int | None) -> str:
    if not math.isfinite(value):
        return _infinite(value)
    if "#" in flags:
        raise UnsupportedError("%# of a number in printf")
    if verb in "gG" and digits is None:
        text = shortest(value)
        return _signed(text.upper() if verb == "G" else text, flags)
    places = 6 if digits is None else digits
    if verb in "fF":
        text = f"{value:.{places}f}"
    elif verb in "gG":
        text = f"{value:.{places or 1}{verb}}"
    else:
        text = f"{value:.{places}{verb}}"
    return _signed(text, flags)


def _integer(verb: str, value: int, flags: str, digits: int | None) -> str | None:
    if verb in "dboxX":
        if "#" in flags or digits is not None:
            raise UnsupportedError("%# or a precision of a whole number in printf")
        return _signed(format(value, verb), flags)
    if verb == "c":
        return chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"
    return None


def _string(verb: str, text: str, flags: str) -> str:
    if verb == "q":
        if "#" in flags or "+" in flags or not all(char.isprintable() or char in "\n\t" for char in text):
            raise UnsupportedError("%q of such a text in printf")
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{escaped}"'
    if " " in flags or "#" in flags:
        raise UnsupportedError("%x with flags in printf")
    found = text.encode().hex()
    return found if verb == "x" else found.upper()


def _signed(text: str, flags: str) -> str:
    if text.startswith(("-", "+")):
        return text
    return "+" + text if "+" in flags else " " + text if " " in flags else text


def rounded(value: float, digits: int = 4) -> str:
    """%.4g, as Prometheus' functions for people print numbers."""
    return sprintf(f"%.{digits}g", [value])


def as_float(value: object) -> float:
    """What Prometheus' functions take for a number. Raises TemplateError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TemplateError(f"can't convert {kind(value)} to float")
    if isinstance(value, str):
        try:
            if value != value.strip() or not value.isascii():
                raise ValueError
            return float(value)
        except ValueError:
            raise TemplateError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None
    return float(value)
