"""Sums twice as precise as a float64: a pair (high, low) whose sum is the number.

A window's sum is the difference of two running sums, which costs the same however long the window is. In float64 that
would lose what a large value before the window has rounded away; in pairs it is as exact as adding the window up with
compensation, as Prometheus does. The algorithms are Dekker's and Knuth's: T. J. Dekker, "A floating-point technique
for extending the available precision" (1971).
"""

from __future__ import annotations

from rulegen.promql.rows import inlined

Pair = tuple[float, float]

_SPLITTER = 134217729.0  # 2**27 + 1
LARGEST = 1e100  # of larger numbers a pair can't hold the sum with any that people measure, nor their squares
# A difference of running sums is off by some 1e-32 of all that was added up: one that is smaller than this share of
# it has to be added up anew.
HARDLY_ANY = 1e-20


@inlined
def two_sum(a: float, b: float) -> Pair:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@inlined
def two_product(a: float, b: float) -> Pair:
    product = a * b
    t = _SPLITTER * a
    a_high = t - (t - a)
    a_low = a - a_high
    t = _SPLITTER * b
    b_high = t - (t - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@inlined
def plus(a: Pair, b: Pair) -> Pair:
    total, lost = two_sum(a[0], b[0])
    lost += a[1] + b[1]
    high = total + lost
    return high, lost - (high - total)


@inlined
def minus(a: Pair, b: Pair) -> Pair:
    return plus(a, (-b[0], -b[1]))


@inlined
def times(a: Pair, b: Pair) -> Pair:
    product, lost = two_product(a[0], b[0])
    lost += a[0] * b[1] + a[1] * b[0]
    high = product + lost
    return high, lost - (high - product)


@inlined
def divided(a: Pair, by: float) -> Pair:
    first = a[0] / by
    rest = minus(a, two_product(first, by))
    second = (rest[0] + rest[1]) / by
    high = first + second
    return high, second - (high - first)


@inlined
def neumaier(value: float, total: float, lost: float) -> Pair:
    """One step of compensated summation: the new sum, and what rounding has lost so far (Prometheus: kahansum)."""
    new = total + value
    if new - new != 0.0:  # not finite: nothing was lost
        return new, 0.0
    if abs(total) >= abs(value):
        return new, lost + ((total - new) + value)
    return new, lost + ((value - new) + total)
