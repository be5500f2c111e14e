"""The engine against a real Prometheus 2.42 on the same samples: real rules, grown expressions, awkward series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import promql_parser as ast
import pytest
from servers import binary, copy_tsdb, prometheus

from evals.differential.awkward import SPAN, awkward_samples, write_tsdb
from evals.differential.compare import Comparison, Server, compare
from evals.differential.grow import Grower
from evals.differential.mutate import mutated
from evals.differential.raw import metric_names, read_samples
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.spans import Grid, Span
from rulegen.errors import UnsupportedError
from rulegen.ingest.rulefile import read_rules
from rulegen.promql import Evaluator, ExpressionError, parse, selectors

HISTORY = Span(1_785_996_000_000, 1_786_017_600_000)
EVERY = Grid(SPAN.start + 1, SPAN.end, MINUTE)
MORE = 60  # metrics beside those that rules read


@dataclass(frozen=True)
class Both:
    """A real Prometheus, and the engine on the samples of some of its metrics."""

    server: Server
    evaluator: Evaluator
    names: frozenset[str]

    def compare(self, expr: str, grid: Grid) -> Comparison:
        return compare(self.server, self.evaluator, expr, grid)


@pytest.fixture(scope="module")
def rule_expressions(shared_data: Path) -> tuple[str, ...]:
    """Every distinct expression of the real rule files, and each part of one that is an instant vector."""
    rules, _, _ = read_rules([shared_data / "rules"])
    found: dict[str, None] = {}
    for _, _, rule in rules:
        try:
            tree = parse(rule.expr)
        except ExpressionError:
            continue
        found[rule.expr] = None
        found.update(dict.fromkeys(_parts(tree)))
    return tuple(found)


def _parts(tree: ast.Expr) -> Iterable[str]:
    parts: list[str] = []

    def look(node: ast.Expr) -> None:
        if isinstance(node, ast.AggregateExpr | ast.BinaryExpr | ast.VectorSelector | ast.Call):
            parts.append(node.prettify())

    ast.walk(tree, look)
    return parts


def _read(expr: str) -> set[str]:
    """The metrics that an expression names; none where it cannot be read."""
    try:
        return {one.name for one in selectors(expr) if one.name}
    except (ExpressionError, UnsupportedError):
        return set()


@pytest.fixture(scope="module")
def both(
    alertops_url: str, shared_data: Path, rule_expressions: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    binary("promtool")
    tsdb = tmp_path_factory.mktemp("dumped") / "tsdb"
    copy_tsdb(shared_data / "alertops-tsdb" / "tsdb", tsdb)
    there = metric_names(alertops_url)
    wanted = {name for expr in rule_expressions for name in _read(expr)} & set(there)
    wanted |= set(Random(7).sample(there, MORE))
    with httpx.Client() as client:
        samples = read_samples(tsdb, alertops_url, sorted(wanted))
        yield Both(Server(alertops_url, client), Evaluator(samples, semantics="closed"), frozenset(wanted))


def verdicts(found: Iterable[Comparison]) -> Counter[str]:
    """How many of each verdict. Fails the test with all that differ."""
    found = list(found)
    wrong = [str(one) for one in found if one.verdict == "different"]
    assert not wrong, f"{len(wrong)} of {len(found)} differ:\n" + "\n".join(wrong[:20])
    return Counter(one.verdict for one in found)


def test_the_expressions_of_real_rules(both: Both, rule_expressions: tuple[str, ...]) -> None:
    """Whole, and in parts: thresholds leave little over, their left sides do not."""
    grid = Grid(HISTORY.start + 3 * HOUR + 1_234, HISTORY.start + 5 * HOUR, 3 * MINUTE + 17_001)
    mine = [expr for expr in rule_expressions if _read(expr) and _read(expr) <= both.names]
    seen = verdicts(both.compare(expr, grid) for expr in mine)
    print(dict(seen))
    assert seen["alike"] > 100
    assert seen["unsupported"] == 0


@pytest.mark.parametrize("block", range(8))
def test_grown_expressions(both: Both, block: int) -> None:
    span = Span(HISTORY.start + 3 * HOUR, HISTORY.end - 15 * MINUTE)
    found = []
    for number in range(50):
        grower = Grower(both.evaluator.samples, span, f"{block}-{number}")
        found.append(both.compare(grower.expression(), grower.grid()))
    seen = verdicts(found)
    print(dict(seen))
    assert seen["alike"] >= 20
    assert seen["undecided"] + seen["unsupported"] <= 2


# What Prometheus 2.42 refuses and Prometheus 3 reads, or what promql-parser loses.
SYNTAX = (
    "unexpected duration",  # 5m is a number
    "expected duration",  # and 300 a duration
    "missing unit character in duration",
    "unexpected string",  # quoted names of labels and metrics
    "unary expression only allowed",  # + before a range vector, which leaves no trace in the tree
    "a time before 1970 after @ cannot be read",
)


def test_almost_promql(tmp_path: Path) -> None:
    """Grown expressions with tokens moved about: what Prometheus refuses is refused, what it reads means the same."""
    binary("promtool")
    samples = awkward_samples(5)
    evaluator = Evaluator(samples, semantics="closed")
    with prometheus(tmp_path / "server", tsdb=write_tsdb(samples, tmp_path)) as url, httpx.Client() as client:
        found = []
        for number in range(1_500):
            grower = Grower(samples, SPAN, f"almost {number}")
            text = mutated(grower.expression(), grower.expression(), number)
            found.append(compare(Server(url, client), evaluator, text, grower.grid()))
    known = [one for one in found if one.verdict == "different" and any(words in one.detail for words in SYNTAX)]
    seen = verdicts(one for one in found if one not in known)
    print(dict(seen), f"and {len(known)} in syntax of another release")
    assert len(known) < 10
    assert seen["both refuse"] > 500 and seen["alike"] > 50


@pytest.mark.parametrize("seed", range(4))
def test_awkward_series(seed: int, tmp_path: Path) -> None:
    """Resets, gaps, NaN, infinities, extremes, irregular times, series of one sample, odd label values."""
    binary("promtool")
    samples = awkward_samples(seed)
    evaluator = Evaluator(samples, semantics="closed")
    with (
        prometheus(tmp_path / "server", tsdb=write_tsdb(samples, tmp_path)) as url,
        httpx.Client() as client,
    ):
        found = []
        for number in range(60):
            grower = Grower(samples, SPAN, f"{seed}-{number}")
            found.append(compare(Server(url, client), evaluator, grower.expression(), grower.grid()))
        raw = [compare(Server(url, client), evaluator, str(one.labels), EVERY) for one in samples]
    seen = verdicts(found)
    print(dict(seen))
    assert seen["alike"] >= 25
    assert seen["undecided"] + seen["unsupported"] <= 3
    assert verdicts(raw) == {"alike": len(samples)}
