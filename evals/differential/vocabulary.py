"""What PromQL is made of: the operators and functions that expressions are grown from."""

from __future__ import annotations

ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
OTHERS = ("clamp", "clamp_min", "clamp_max", "round", "sort", "sort_desc", "timestamp", "scalar")
COMPARISON = ("==", "!=", ">", "<", ">=", "<=")
SET = ("and", "or", "unless")
MATHS = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
    "deg",
    "rad",
]
CALENDAR = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"]
RANGED = [
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "stddev_over_time",
    "stdvar_over_time",
]
AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
NUMBERS = [
    "0",
    "1",
    "-1",
    "2",
    "0.5",
    "-0.25",
    "3.7",
    "100",
    "1e3",
    "1e-3",
    "1e300",
    "1e-300",
    "0x1F",
    ".5",
    "5.",
    "Inf",
    "-Inf",
    "NaN",
]
