"""Options that several commands have, each declared once, in groups that a command takes whole.

A group is a frozen dataclass: a field is an option, its default is the option's default. Nothing else repeats one:
``--help`` shows it, and the configuration file and the environment stand before it (see :mod:`rulegen.cli.config`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from rulegen.core.durations import format_duration
from rulegen.core.settings import Settings

READ, SERVER, JUDGE, ASK = "What to read", "How to ask the server", "How to judge", "Who proposes"
WRITE = "What to write"
CONFIG = "config"  # the parameter of the configuration file, which only :mod:`rulegen.cli.config` looks at


def opt(flag: str, text: str, panel: str | None = None, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=text, rich_help_panel=panel, metavar=metavar)
    return option


class Grouped(TyperCommand):
    """A command whose ``--help`` shows the options by group. Typer does so through Rich only, whose import takes a
    third of the time that help takes."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                kind = "Arguments" if param.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(param, "rich_help_panel", None) or kind, []).append(record)
        for title in sorted(groups, key=lambda one: (one != "Arguments", one != "Options")):  # else as declared
            with formatter.section(title):
                formatter.write_dl(groups[title])


class Told(TyperGroup):
    """Commands whose first sentence stands in the group's ``--help``, and not only its beginning."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(1_000)) for name, one in self.commands.items()])


Files = list[Path]
Texts = list[str]
Out = Annotated[Path, opt("--out", "Directory of the output.", None, "DIR")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
_DEFAULT = Settings()


@dataclass(frozen=True, slots=True)
class Where:
    """What to read samples from, and of which time."""

    prometheus: Annotated[str, opt("--prometheus", "URL of a Prometheus-compatible API.", READ, "URL")] = ""
    metrics: Annotated[Path | None, opt("--metrics", "OpenMetrics text with times; may be gzip.", READ, "FILE")] = (
        None
    )
    start: Annotated[str, opt("--start", "First time: Unix seconds or RFC 3339.", READ, "TIME")] = ""
    end: Annotated[str, opt("--end", "Last time (now, or the end of the file).", READ, "TIME")] = ""
    range_semantics: Annotated[
        str, opt("--range-semantics", "Left end of windows: Prometheus 3 open, 2 closed.", READ, "open|closed")
    ] = ""


@dataclass(frozen=True, slots=True)
class What:
    """The rules, and what was really wrong."""

    store: Annotated[Path | None, opt("--store", "What rulegen listen keeps.", READ, "FILE")] = None
    rules: Annotated[Files | None, opt("--rules", "Rule file or directory; may be repeated.", READ, "PATH")] = None
    incidents: Annotated[Path | None, opt("--incidents", "CSV or YAML: id, start, end, labels.", READ, "FILE")] = None
    impact: Annotated[str, opt("--impact", "PromQL that holds while something is wrong.", READ, "EXPR")] = ""
    judged: Annotated[
        Texts | None, opt("--judged", "Time for which incidents were recorded.", READ, "START..END")
    ] = None
    since: Annotated[str, opt("--since", "How far back, before --end.", READ, "DURATION")] = ""
    interval: Annotated[str, opt("--interval", "Evaluation interval where none is given.", READ, "DURATION")] = "1m"
    strict: Annotated[bool, opt("--strict", "Bad items of the input are fatal.", READ)] = False


@dataclass(frozen=True, slots=True)
class Server:
    """How to ask the server."""

    token_file: Annotated[Path | None, opt("--token-file", "File with a bearer token.", SERVER, "FILE")] = None
    user: Annotated[str, opt("--user", "Basic auth; password in RULEGEN_PROMETHEUS_PASSWORD.", SERVER, "NAME")] = ""
    ca: Annotated[Path | None, opt("--ca", "PEM file with the authorities to trust.", SERVER, "FILE")] = None
    timeout: Annotated[str, opt("--timeout", "Longest wait for one answer.", SERVER, "DURATION")] = "30s"
    cache: Annotated[
        Path | None, opt("--cache", "Where what a server told is kept for other runs.", SERVER, "DIR")
    ] = None
    no_cache: Annotated[bool, opt("--no-cache", "Fetch everything anew and keep nothing.", SERVER)] = False


@dataclass(frozen=True, slots=True)
class Judging:
    """What a catch is, and what a page."""

    lead: Annotated[str, opt("--lead", "A firing may precede its incident by this.", JUDGE, "DURATION")] = (
        format_duration(_DEFAULT.lead)
    )
    carry: Annotated[str, opt("--carry", "Or by this, when it still holds.", JUDGE, "DURATION")] = format_duration(
        _DEFAULT.carry
    )
    grace: Annotated[str, opt("--grace", "Around an incident nothing is noise.", JUDGE, "DURATION")] = (
        format_duration(_DEFAULT.grace)
    )
    allowed_delay: Annotated[str, opt("--allowed-delay", "A catch may come later by this.", JUDGE, "DURATION")] = (
        format_duration(_DEFAULT.allowed_delay)
    )
    burst_gap: Annotated[str, opt("--burst-gap", "Closer firings are one burst.", JUDGE, "DURATION")] = (
        format_duration(_DEFAULT.burst_gap)
    )
    page: Annotated[str, opt("--page", "Which alerts page.", JUDGE, "MATCHERS")] = _DEFAULT.page
    alertmanager: Annotated[
        Path | None, opt("--alertmanager", "alertmanager.yml: count notifications.", JUDGE, "FILE")
    ] = None


@dataclass(frozen=True, slots=True)
class Suggesting:
    """What a search for suggestions takes beyond a replay."""

    alerts: Annotated[
        Path | None, opt("--alerts", "Alertmanager webhooks or /api/v2/alerts, JSON(L).", READ, "FILE")
    ] = None
    rule_tests: Annotated[
        Files | None, opt("--rule-tests", "promtool's unit tests of the rules; file or directory.", READ, "PATH")
    ] = None
    ignore_shorter_than: Annotated[
        str, opt("--ignore-shorter-than", "Shorter bursts may go silent.", JUDGE, "DURATION")
    ] = format_duration(_DEFAULT.ignore_shorter_than)
    group_by: Annotated[str, opt("--group-by", "What makes one notification group.", JUDGE, "LABELS")] = ",".join(
        _DEFAULT.group_by
    )
    protect: Annotated[Texts | None, opt("--protect", "Rules never to touch; repeatable.", JUDGE, "MATCHERS")] = None
    demote: Annotated[bool, opt("--demote/--no-demote", "May pages become tickets, be muted, or go?", JUDGE)] = (
        _DEFAULT.demote
    )
    proposer: Annotated[str, opt("--proposer", "Who proposes changes.", ASK, "search|model")] = "search"
    model: Annotated[str, opt("--model", "GGUF file; giving it is your consent to it.", ASK, "FILE|NAME")] = ""
    allow_unverified: Annotated[bool, opt("--allow-unverified", "Use a model that differs from its pin.", ASK)] = (
        False
    )
    model_url: Annotated[str, opt("--model-url", "Or a model behind an OpenAI-compatible API.", ASK, "URL")] = ""
    model_name: Annotated[str, opt("--model-name", "Which of its models; the first.", ASK, "NAME")] = ""
    model_timeout: Annotated[str, opt("--model-timeout", "Longest wait for one answer.", ASK, "DURATION")] = "2m"
    prompt: Annotated[str, opt("--prompt", "Wording of the questions.", ASK, "auto|terse|explained")] = "auto"
    samples: Annotated[int, opt("--samples", "Proposals asked for in a round.", ASK, "N")] = 8
    rounds: Annotated[int, opt("--rounds", "More rounds, told the verdicts.", ASK, "N")] = 1
    polish: Annotated[int, opt("--polish", "Most numbers tried around the best.", ASK, "N")] = 12
    free_form: Annotated[bool, opt("--free-form", "The model may write expressions of its own.", ASK)] = False
    deadline: Annotated[str, opt("--deadline", "For the whole run; noisy rules come first.", ASK, "DURATION")] = ""
    seed: Annotated[int, opt("--seed", "For everything that is drawn.", ASK, "N")] = _DEFAULT.seed
    form: Annotated[str, opt("--format", "Rule files as they came, or resources.", WRITE, "plain|prometheusrule")] = (
        "plain"
    )
    namespace: Annotated[str, opt("--namespace", "Namespace of those resources.", WRITE, "NAME")] = ""


FORGE_WHERE, FORGE_HOW = "Where requests go", "How they ask"


@dataclass(frozen=True, slots=True)
class Hosting:
    """Which repository, and what hosts it."""

    repo: Annotated[Path, opt("--repo", "A clone of the rules' repository.", FORGE_WHERE, "DIR")] = Path()
    remote: Annotated[str, opt("--remote", "Its remote.", FORGE_WHERE, "NAME")] = "origin"
    base: Annotated[str, opt("--base", "Branch to merge into; the forge's default.", FORGE_WHERE, "BRANCH")] = ""
    forge: Annotated[str, opt("--forge", "What hosts it.", FORGE_WHERE, "auto|github|gitlab|git")] = "auto"


@dataclass(frozen=True, slots=True)
class Requesting:
    """How requests to merge ask."""

    tests_dir: Annotated[
        str, opt("--tests-dir", "For unit tests, in the repository; empty: none.", FORGE_HOW, "DIR")
    ] = "tests/rulegen"
    batch: Annotated[bool, opt("--batch", "All suggestions in one request.", FORGE_HOW)] = False
    max_open: Annotated[int, opt("--max-open", "At most so many open at once.", FORGE_HOW, "N")] = 3
    author: Annotated[str, opt("--author", "Of the commits.", FORGE_HOW, "NAME <MAIL>")] = (
        "rulegen <rulegen@localhost>"
    )


ConfigFile = Annotated[Path | None, opt("--config", "Settings (rulegen.toml, where it is there).", None, "FILE")]


def flat(function: Callable[..., Any]) -> Callable[..., None]:
    """``function`` as :func:`bare` makes it, with ``--config`` besides."""
    return _flat(
        function, [inspect.Parameter(CONFIG, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigFile)]
    )


def bare(function: Callable[..., Any]) -> Callable[..., None]:
    """``function`` as Typer can read it: a parameter that is a group becomes the group's options. Called with those,
    it builds the groups."""
    return _flat(function, [])


def _flat(function: Callable[..., Any], more: list[inspect.Parameter]) -> Callable[..., None]:
    hints = get_type_hints(function, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if inspect.isclass(hint) and is_dataclass(hint)}
    made = []
    for one in inspect.signature(function).parameters.values():
        if one.name not in groups:
            made.append(one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        types = get_type_hints(groups[one.name], include_extras=True)
        for option in fields(groups[one.name]):
            made.append(
                inspect.Parameter(
                    option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=types[option.name]
                )
            )
    made += more

    @functools.wraps(function)
    def called(**given: Any) -> None:
        given.pop(CONFIG, None)
        for name, group in groups.items():
            given[name] = group(**{option.name: given.pop(option.name) for option in fields(group)})
        function(**given)

    del called.__wrapped__
    called.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined] # what inspect and Typer look for
    called.__annotations__ = {one.name: one.annotation for one in made}
    return called


@dataclass(frozen=True, slots=True)
class Declared:
    """An option of a command: its parameter's name, its long flag, the type of one value (bool, int, float, str or
    Path), whether it may be repeated, and what ``--help`` says of it."""

    param: str
    flag: str
    of: type
    repeated: bool
    help: str
    metavar: str


def declared(function: Callable[..., Any]) -> Iterator[Declared]:
    """The options of a function that :func:`flat` made, without ``--config``."""
    for one in inspect.signature(function).parameters.values():
        kind, *infos = get_args(one.annotation) or (None,)  # the context is no option
        option = next((info for info in infos if isinstance(info, typer.models.OptionInfo)), None)
        if option is None or one.name == CONFIG:
            continue
        if isinstance(kind, UnionType):  # or nothing
            (kind,) = [part for part in get_args(kind) if part is not type(None)]
        repeated = get_origin(kind) is list
        names = (str(option.default), *(option.param_decls or ()))  # how Typer keeps what an Annotated option names
        flag = next(name for name in names if name.startswith("--")).partition("/")[0]
        of = get_args(kind)[0] if repeated else kind
        yield Declared(one.name, flag, of, repeated, option.help or "", str(option.metavar or ""))
