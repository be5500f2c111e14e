"""Settings from ``rulegen.toml`` and the environment, below the flags of the command line.

What can be set is what the commands declare as options: a key is an option's long name with ``_`` for ``-``, and the
model that reads them is made from the commands, so that neither a name nor a default stands twice. What was read
becomes the command's defaults, which is why ``--help`` shows it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rulegen.cli.options import CONFIG, Declared, Grouped, declared
from rulegen.errors import InputError

DEFAULT = Path("rulegen.toml")
PREFIX = "RULEGEN_"
INNER = "__"  # RULEGEN_NIGHTLY__OUT is [nightly] out
ORIGINS = "rulegen.origins"  # in a context's meta: parameter → where its value was read

# What a setting answers in the place of others: a flag `--start` is no contradiction of `since` in the file.
INSTEAD = {
    "since": ("start",),
    "start": ("since",),
    "incidents": ("impact",),
    "impact": ("incidents", "judged"),
    "prometheus": ("metrics",),
    "metrics": ("prometheus",),
    "alerts": ("store",),
    "store": ("alerts",),
}


Commands = Mapping[str, Callable[..., Any]]  # by name, as :func:`rulegen.cli.options.flat` made them


class Configured(Grouped):
    """A command whose options the configuration file and the environment may set. ``commands`` are all such."""

    commands: Commands = {}  # noqa: RUF012 # set once, by :func:`configured_by`

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        file = Path(given[CONFIG]) if given.get(CONFIG) else None
        found = configured(self.name or "", self.commands, file, given)
        ctx.default_map = {name: value for name, (value, _) in found.items()}
        ctx.meta[ORIGINS] = {name: origin for name, (_, origin) in found.items()}
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Raises what the command raises; a message about an option that was not given on the command line also
        says where its value stands."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise InputError(*(_located(ctx, message) for message in error.messages)) from error


def configured_by(commands: Commands) -> type[Configured]:
    """The class of the ``commands``, which share one configuration."""
    return type("Command", (Configured,), {"commands": commands})


def _located(ctx: Any, message: str) -> str:
    for param in ctx.command.params:
        source = ctx.get_parameter_source(param.name)
        if source is not None and source.name == "DEFAULT_MAP":
            for flag in param.opts:
                if message.startswith((f"{flag}:", f"{flag} ")):
                    return f"{message} (from {ctx.meta[ORIGINS][param.name]})"
    return message


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: ``params`` are the names under which commands take it, by command."""

    name: str
    option: Declared
    params: Mapping[str, str]
    shared: bool  # the same in every command that has it, so that it may stand above the tables


def configured(
    command: str, commands: Commands, file: Path | None, given: Collection[str] = ()
) -> dict[str, tuple[Any, str]]:
    """Parameter → (value, where it was read) for ``command``, of which the parameters ``given`` stand on the command
    line. Raises InputError with all that is wrong."""
    all_keys = keys(commands)
    if file is None and DEFAULT.is_file():
        file = DEFAULT
    names = {name for name in os.environ if name.startswith(PREFIX)}
    known = set(environment(all_keys))
    wrong = list(_unknown(names - known, known))
    layers: list[tuple[Mapping[str, Any], str]] = []
    if file is not None or names & known:  # what reads them takes its time to be imported
        from rulegen.cli.settings import from_environment, from_file

        if names & known:
            layers.append((_read(wrong, lambda: from_environment(all_keys)), ""))
        if file is not None:
            layers.append((_read(wrong, lambda: from_file(file, all_keys)), str(file)))
    if wrong:
        raise InputError(*wrong)
    found: dict[str, tuple[Any, str]] = {}
    mine = {key.name: param for key in all_keys if (param := key.params.get(command))}
    for values, origin in layers:
        table = values.get(command) or {}
        settled = {name for name, param in mine.items() if param in found or param in given}
        settled |= {other for name in settled for other in INSTEAD.get(name, ())}
        for key in all_keys:
            param = key.params.get(command)
            if param is None or key.name in settled:
                continue
            if (value := table.get(key.name)) is not None:
                found[param] = value, origin or variable(key.name, command)
            elif key.shared and (value := values.get(key.name)) is not None:
                found[param] = value, origin or variable(key.name)
    return found


def _read(wrong: list[str], read: Any) -> Mapping[str, Any]:
    try:
        values: Mapping[str, Any] = read()
        return values
    except InputError as error:
        wrong += error.messages
        return {}


def keys(commands: Commands) -> tuple[Key, ...]:
    """Every setting of ``commands``; one that commands declare differently is there once for each declaration."""
    found: dict[tuple[str, str, str], tuple[Declared, dict[str, str]]] = {}
    for command, function in commands.items():
        for option in declared(function):
            name = option.flag.removeprefix("--").replace("-", "_")
            found.setdefault((name, option.help, option.metavar), (option, {}))[1][command] = option.param
    counts = Counter(name for name, _, _ in found)
    return tuple(Key(name, option, params, counts[name] == 1) for (name, _, _), (option, params) in found.items())


def environment(all_keys: tuple[Key, ...]) -> Iterator[str]:
    """The names of all environment variables that set an option."""
    for key in all_keys:
        if key.shared:
            yield variable(key.name)
        yield from (variable(key.name, command) for command in key.params)


def variable(key: str, command: str = "") -> str:
    """The environment variable of a setting, of all commands or of one."""
    return f"{PREFIX}{command}{INNER if command else ''}{key}".upper()


def _unknown(names: set[str], known: set[str]) -> Iterator[str]:
    """Only what looks like a slip: others set RULEGEN_… too, as Kubernetes does for a service of that name."""
    from difflib import get_close_matches

    for name in sorted(names):
        if name.startswith(tuple(f"{PREFIX}{family}_" for family in _FAMILIES)) or name in _OTHERS:
            continue
        if near := get_close_matches(name, sorted(known), 1, 0.85):
            yield f"{name}: no such setting; did you mean {near[0]}?"


_FAMILIES = ("PROMETHEUS", "PUSHGATEWAY", "GITHUB", "GITLAB", "SERVICE", "PORT")  # credentials, and Kubernetes' own
_OTHERS = ("RULEGEN_DEBUG",)
