"""Suggestions as claims to put before people: what ``suggestions.json`` and the files beside it say of each."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rulegen.core.durations import parse_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef
from rulegen.emit.evidence import SCHEMA
from rulegen.emit.output import SUGGESTIONS
from rulegen.errors import InputError


class _Model(BaseModel):
    """The parts of our own file that a request needs; it holds more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RuleText(_Model):
    kind: Literal["alert", "record"]
    name: str
    expr: str
    hold: str = Field(alias="for")
    keep_firing_for: str
    labels: dict[str, str]
    annotations: dict[str, str]

    def rule(self) -> Rule:
        hold, keep = parse_duration(self.hold), parse_duration(self.keep_firing_for)
        return Rule(self.name, self.expr, self.kind, hold, keep, Labels(self.labels), Labels(self.annotations))


class Place(_Model):
    path: str
    home: str | None = None
    group: str
    index: int

    @property
    def ref(self) -> RuleRef:
        return RuleRef(self.path, self.group, self.index)


class Measured(_Model):
    weeks: float | None
    pages: tuple[int, int]
    minutes: tuple[float, float]
    caught: tuple[int, int]
    lost: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    added_delay: str = "0s"


class Support(_Model):
    bursts: int = 0
    targets: int = 0


class Proof(_Model):
    whole: Measured
    parts: dict[str, Measured] = {}
    credible: tuple[str, ...] = ()
    lucky: tuple[str, ...] = ()
    null_model: str | None = None
    notices: tuple[int, int] | None = None
    longest: tuple[str, str] = ("0s", "0s")
    cut_pages: tuple[float | None, float | None, float | None] | None = None
    support: Support = Support()
    synthetic: tuple[str, ...] = ()


class Timeline(_Model):
    start: str
    step: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    targets: tuple[int, ...]


class Tests(_Model):
    file: str | None = None
    silent: str = ""
    fires: str = ""


class Provenance(_Model):
    proposer: str
    seed: int = 0


class Claim(_Model):
    """One accepted suggestion. ``test_text`` is the file of its unit tests, "" where there is none."""

    id: str
    change: str
    template: str
    words: str
    pattern: str
    grade: str
    replaces: Place
    rule: RuleText
    rules: tuple[RuleText, ...]
    evidence: Proof
    doubts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    provenance: Provenance
    note: str
    problem: str | None = None
    test: Tests | None = None
    timeline: Timeline | None = None
    test_text: str = ""

    @property
    def old(self) -> Rule:
        return self.rule.rule()

    @property
    def new(self) -> tuple[Rule, ...]:
        return tuple(one.rule() for one in self.rules)

    @property
    def cut(self) -> float:
        """Noisy pages that are avoided, a week."""
        whole = self.evidence.whole
        return (whole.pages[0] - whole.pages[1]) / (whole.weeks or 1.0)

    @property
    def start(self) -> str:
        """A digest of the rule as it is: a merged request is done for as long as a suggestion starts from there."""
        return _digest(_meaning(self.rule))

    @property
    def goal(self) -> str:
        """A digest of the rules that are proposed."""
        return _digest([_meaning(one) for one in self.rules])

    @property
    def digest(self) -> str:
        """A digest of all that a request says of the claim: alike, there is nothing to update."""
        return _digest(self.model_dump(mode="json", exclude={"replaces": {"path", "index"}}))


class Span(_Model):
    start: str
    end: str


class _Document(_Model):
    schema_: int = Field(alias="schema")
    version: str
    span: Span
    judged: tuple[Span, ...]
    mode: Literal["incidents", "bursts"]
    settings: dict[str, str]
    doubts: tuple[str, ...] = ()
    accepted: tuple[Claim, ...]
    routing: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Claims:
    """All accepted suggestions of one run, most noise cut first, and what they were judged by. ``routing`` counts the
    accepted changes of Alertmanager's configuration, which are no claims."""

    span: Span
    mode: Literal["incidents", "bursts"]
    settings: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]
    version: str
    claims: tuple[Claim, ...]
    routing: int = 0


def read_claims(out: Path) -> Claims:
    """What ``rulegen suggest --out`` wrote to the directory ``out``. Raises InputError for what is not that."""
    path = out / SUGGESTIONS
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{out}: holds no {SUGGESTIONS}: run rulegen suggest --out {out} first") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: is no JSON: {error}") from None
    if isinstance(document, dict) and document.get("schema") not in (None, SCHEMA):
        raise InputError(f"{path}: has schema {document['schema']!r}, and this version reads {SCHEMA}; suggest anew")
    try:
        read = _Document.model_validate(document)
        for one in read.accepted:  # durations and labels are parsed once, so that a bad one is told here
            _ = one.old, one.new
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}; was it written by this version?") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}; was it written by this version?") from None
    claims = tuple(one.model_copy(update={"test_text": _test(out, one)}) for one in read.accepted)
    settings = tuple(read.settings.items())
    return Claims(read.span, read.mode, settings, read.doubts, read.version, claims, len(read.routing))


def _test(out: Path, claim: Claim) -> str:
    if claim.test is None or claim.test.file is None:
        return ""
    path = out / claim.test.file
    if not path.resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out / SUGGESTIONS}: {claim.test.file} lies outside of {out}")
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}; run rulegen suggest again") from None


def _meaning(rule: RuleText) -> Any:
    return [rule.kind, rule.name, " ".join(rule.expr.split()), rule.hold, rule.keep_firing_for, rule.labels]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
