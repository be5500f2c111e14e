"""promtool's unit-test files → :class:`~rulegen.core.unittest.UnitTestFile`.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/. What promtool refuses is refused here
with file and line: unknown fields, keys given twice, series that can't be read.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rulegen.core.durations import MINUTE, parse_duration
from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.series import Series
from rulegen.core.unittest import AlertCheck, ExpectedAlert, ExprCheck, UnitTest, UnitTestFile
from rulegen.errors import InputError, Problem
from rulegen.ingest.problems import problem
from rulegen.ingest.seriestext import parse_metric, parse_series
from rulegen.ingest.text import FilePath, read_text
from rulegen.ingest.times import parse_time
from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode, SequenceNode, YamlError, parse_documents
from rulegen.promql import ExpressionError, parse

T = TypeVar("T")
Texts = dict[str, str | None]


class _Model(BaseModel):
    """Values are texts, as YAML has them; null is the same as missing."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        return {key: one for key, one in given.items() if one is not None} if isinstance(given, dict) else given


class _Series(_Model):
    series: str
    values: str = ""


class _Alert(_Model):
    exp_labels: Texts = Field(default_factory=dict)
    exp_annotations: Texts = Field(default_factory=dict)


class _AlertCheck(_Model):
    eval_time: str = "0"
    alertname: str = Field(min_length=1)
    exp_alerts: list[_Alert] = Field(default_factory=list)


class _Sample(_Model):
    labels: str = ""
    value: str = "0"
    histogram: str = ""


class _ExprCheck(_Model):
    expr: str
    eval_time: str = "0"
    exp_samples: list[_Sample] = Field(default_factory=list)


class _Test(_Model):
    interval: str = ""
    name: str = ""
    start_timestamp: str = ""
    input_series: list[_Series] = Field(default_factory=list)
    external_labels: Texts = Field(default_factory=dict)
    external_url: str = ""
    alert_rule_test: list[_AlertCheck] = Field(default_factory=list)
    promql_expr_test: list[_ExprCheck] = Field(default_factory=list)


class _File(_Model):
    rule_files: list[str] = Field(default_factory=list)
    evaluation_interval: str = ""
    group_eval_order: list[str] = Field(default_factory=list)
    fuzzy_compare: bool = False
    tests: list[_Test] = Field(default_factory=list)


Where = tuple[int | str, ...]  # keys and positions from the top of the document


def read_unit_tests(path: FilePath) -> UnitTestFile:
    """Raises InputError with everything that is wrong with the file."""
    name = os.fspath(path)
    try:
        documents = parse_documents(read_text(path).removeprefix("\ufeff"))
    except YamlError as error:
        raise InputError(str(problem(name, error.line, str(error)))) from None
    if not documents or not isinstance(documents[0], MappingNode):
        raise InputError(f"{name}: not a unit-test file (rule_files and tests are expected)")
    return _Reader(name, documents[0]).read()


def find_unit_tests(paths: Iterable[FilePath]) -> tuple[UnitTestFile, ...]:
    """The unit-test files among ``paths``; of a directory, each ``*.yml`` and ``*.yaml`` below it that has tests.

    Raises InputError with everything that is wrong with them, also where a directory has none.
    """
    found: list[UnitTestFile] = []
    wrong: list[str] = []
    for path in paths:
        inner = _below(Path(path)) if Path(path).is_dir() else [path]
        if not inner:
            wrong.append(f"{os.fspath(path)}: no unit tests in this directory")
        for one in inner:
            try:
                found.append(read_unit_tests(one))
            except InputError as error:
                wrong += error.messages
    if wrong:
        raise InputError(*wrong)
    return tuple({os.path.realpath(file.path): file for file in found}.values())


def _below(folder: Path) -> list[FilePath]:
    files = sorted(path for path in folder.rglob("*.y*ml") if path.suffix in (".yml", ".yaml") and path.is_file())
    return [os.fspath(path) for path in files if _has_tests(path)]


def _has_tests(path: Path) -> bool:
    try:
        documents = parse_documents(read_text(path).removeprefix("\ufeff"))
    except (YamlError, InputError):
        return False  # it may be anything
    return bool(documents) and isinstance(documents[0], MappingNode) and documents[0].get("tests") is not None


class _Reader:
    def __init__(self, path: str, tree: MappingNode) -> None:
        self.path, self.tree = path, tree
        self.problems: list[Problem] = []

    def read(self) -> UnitTestFile:
        self._repeated(self.tree)
        try:
            file = _File.model_validate(_plain(self.tree))
        except ValidationError as error:
            for one in error.errors(include_url=False, include_context=False, include_input=False):
                unknown = one["type"] == "extra_forbidden"
                what = f'unknown field "{one["loc"][-1]}"' if unknown else f"{one['loc'][-1]}: {one['msg']}"
                self._wrong(one["loc"], what)
            raise self._refused() from None
        interval = self._duration(file.evaluation_interval, ("evaluation_interval",)) or MINUTE
        if len(set(file.group_eval_order)) < len(file.group_eval_order):
            self._wrong(("group_eval_order",), "a group is named twice in the order of evaluation")
        found, unmatched = self._rule_files(file.rule_files)
        tests = tuple(self._test(test, interval, ("tests", at)) for at, test in enumerate(file.tests))
        if self.problems:
            raise self._refused()
        order = tuple(file.group_eval_order)
        return UnitTestFile(self.path, found, unmatched, interval, order, file.fuzzy_compare, tests)

    def _rule_files(self, patterns: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Files and patterns without any; patterns are relative to the file, as Go's filepath.Glob reads them."""
        found: list[str] = []
        unmatched = []
        for pattern in patterns:
            # normpath, as Go joins paths: read_rules shows the path, and promtool's users know it so
            whole = os.path.normpath(Path(self.path).parent / pattern)
            matches = sorted(glob.glob(whole))  # noqa: PTH207 # Path.glob takes no absolute pattern
            found += matches
            unmatched += [] if matches else [pattern]
        return tuple(dict.fromkeys(found)), tuple(unmatched)

    def _test(self, test: _Test, evaluation: int, where: Where) -> UnitTest:
        interval = self._duration(test.interval, (*where, "interval")) or evaluation
        start = self._try(
            (*where, "start_timestamp"), lambda: parse_time(test.start_timestamp), 0, test.start_timestamp
        )
        series = [
            self._series(one, start, interval, (*where, "input_series", at))
            for at, one in enumerate(test.input_series)
        ]
        # Of a series that is given twice promtool takes the last.
        kept = {one.labels: one for one in series if one is not None}
        return UnitTest(
            line=self._line(where),
            name=test.name,
            start=start,
            series=tuple(kept.values()),
            external_labels=Labels(_filled(test.external_labels)),
            external_url=test.external_url,
            alerts=tuple(
                self._alerts(one, (*where, "alert_rule_test", at)) for at, one in enumerate(test.alert_rule_test)
            ),
            expressions=tuple(
                self._expression(one, (*where, "promql_expr_test", at))
                for at, one in enumerate(test.promql_expr_test)
            ),
        )

    def _series(self, one: _Series, start: int, interval: int, where: Where) -> Series | None:
        return self._try(where, lambda: parse_series(one.series, one.values, start, interval), None)

    def _alerts(self, check: _AlertCheck, where: Where) -> AlertCheck:
        expected = tuple(
            ExpectedAlert(
                Labels({**_filled(alert.exp_labels), ALERT_NAME: check.alertname}),
                tuple(_filled(alert.exp_annotations).items()),
            )
            for alert in check.exp_alerts
        )
        at = self._duration(check.eval_time, (*where, "eval_time"))
        return AlertCheck(self._line(where), at, check.alertname, expected)

    def _expression(self, check: _ExprCheck, where: Where) -> ExprCheck:
        at = self._duration(check.eval_time, (*where, "eval_time"))
        self._try((*where, "expr"), lambda: parse(check.expr), None)
        samples = []
        for number, sample in enumerate(check.exp_samples):
            place = (*where, "exp_samples", number)
            if sample.histogram:
                self._wrong(place, "native histograms are not supported")
            labels = self._try(place, partial(parse_metric, sample.labels), Labels())
            value = self._try((*place, "value"), partial(_float, sample.value), 0.0)
            samples.append((labels, value))
        return ExprCheck(self._line(where), at, check.expr, tuple(samples))

    def _duration(self, text: str, where: Where) -> int:
        return self._try(where, lambda: parse_duration(text), 0, text)

    def _try(self, where: Where, read: Callable[[], T], default: T, given: str = "given") -> T:
        """What ``read`` returns; ``default`` when nothing is given or, with a problem, when it can't be read."""
        if not given:
            return default
        try:
            return read()
        except (ValueError, ExpressionError) as error:
            self._wrong(where, getattr(error, "message", None) or str(error))
            return default

    def _wrong(self, where: Where, message: str) -> None:
        self.problems.append(problem(self.path, self._line(where), message))

    def _refused(self) -> InputError:
        return InputError(*map(str, sorted(set(self.problems))))

    def _line(self, where: Where) -> int:
        """The line of the innermost place in ``where`` that the text has."""
        node: Node | None = self.tree
        line = self.tree.line
        for step in where:
            if isinstance(node, MappingNode) and step in node.fields():
                key, node = node.fields()[str(step)]
                line = key.line
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                line = node.line
            else:
                break
        return line

    def _repeated(self, node: Node) -> None:
        if isinstance(node, MappingNode):
            for key in node.repeated():
                self.problems.append(problem(self.path, key.line, f'"{key.text}" is given twice'))
            for _, inner in node.items:
                self._repeated(inner)
        elif isinstance(node, SequenceNode):
            for inner in node.items:
                self._repeated(inner)


def _plain(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {key: _plain(value) for key, (_, value) in node.fields().items()}
    if isinstance(node, SequenceNode):
        return [_plain(one) for one in node.items]
    assert isinstance(node, ScalarNode)
    return None if node.null else node.text


def _filled(texts: Texts) -> dict[str, str]:
    return {name: text or "" for name, text in texts.items()}


def _float(text: str) -> float:
    """A YAML number: ``.inf`` and ``.nan`` beside what Python reads."""
    bare = text.lower().lstrip("+-")
    if bare in (".inf", ".nan"):
        return float(text.replace(".", ""))
    try:
        return float(int(text, 0)) if bare.startswith("0x") else float(text)
    except ValueError:
        raise ValueError(f"not a number: {text!r}") from None
