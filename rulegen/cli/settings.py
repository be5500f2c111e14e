"""The model of all settings, made from the commands' options, and what pydantic-settings reads into it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from rulegen.cli.config import INNER, PREFIX, Key
from rulegen.errors import InputError

_SECRETS = ("token", "password", "secret", "api_key")
_ADVICE = "a secret stands in the environment or in a file of its own (token_file), never here"


def from_file(file: Path, keys: tuple[Key, ...]) -> dict[str, Any]:
    """The settings in the TOML ``file``, tables as dicts; a relative path in it is meant from the file's directory.

    Raises InputError with everything that is wrong.
    """
    try:
        text = file.read_text("utf-8")
        tomllib.loads(text)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: is not UTF-8, as TOML has to be") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: no TOML: {error}") from None
    values = _values(keys, file, lambda loc: _place(file, text, loc))
    wrong = [
        f"{_place(file, text, loc)}: the URL holds a password; {_ADVICE}"
        for loc, value in _leaves(values)
        if isinstance(value, str) and "://" in value and _has_password(value)
    ]
    if wrong:
        raise InputError(*wrong)
    return _rooted(values, keys, file.parent)


def from_environment(keys: tuple[Key, ...]) -> dict[str, Any]:
    """The settings in the environment. Raises InputError with everything that is wrong, values left out."""
    return _values(keys, None, lambda loc: PREFIX + INNER.join(loc).upper())


def _model(keys: tuple[Key, ...], toml: Path | None) -> type[BaseSettings]:
    """The settings of all commands above, and those of each command in a table of its name; unset is None."""
    tables: dict[str, Any] = {}
    for command in sorted({name for key in keys for name in key.params}):
        inner: dict[str, Any] = {key.name: (_type(key) | None, None) for key in keys if command in key.params}
        config = ConfigDict(extra="forbid", protected_namespaces=())
        tables[command] = (create_model(command, __config__=config, **inner) | None, None)
    shared: dict[str, Any] = {key.name: (_type(key) | None, None) for key in keys if key.shared}

    class Base(BaseSettings):
        model_config = SettingsConfigDict(
            env_prefix=PREFIX,
            env_nested_delimiter=INNER,
            env_ignore_empty=True,
            toml_file=toml,
            extra="forbid",
            protected_namespaces=(),
        )

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (TomlConfigSettingsSource(settings_cls) if toml else EnvSettingsSource(settings_cls),)

    made: type[BaseSettings] = create_model("Settings", __base__=Base, **{**shared, **tables})
    return made


def _type(key: Key) -> Any:
    """The type of what an option holds, paths as text; a repeatable one also takes a single value."""
    of: Any = str if key.option.of is Path else key.option.of
    return Annotated[list[of], NoDecode, BeforeValidator(_several)] if key.option.repeated else of


def _several(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("starts as a JSON list and is none") from None
    return [value]


def _values(keys: tuple[Key, ...], toml: Path | None, place: Any) -> dict[str, Any]:
    model = _model(keys, toml)
    try:
        return model().model_dump(exclude_none=True)
    except ValidationError as error:
        raise InputError(*(_told(keys, model, one, place) for one in error.errors(include_url=False))) from None


def _told(keys: tuple[Key, ...], model: type[BaseModel], error: Any, place: Any) -> str:
    """One error in words. What was given is not repeated: it might be a secret in the wrong place."""
    loc = tuple(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{place(loc)}: {error['msg'][:1].lower()}{error['msg'][1:]}"
    *tables, name = loc
    known = list(model.model_fields)
    for table in tables:
        inner = model.model_fields[table].annotation
        known = next(list(one.model_fields) for one in inner.__args__ if one is not type(None))  # type: ignore[union-attr]
    if any(part in name.lower() for part in _SECRETS) and not get_close_matches(name, known, 1, 0.85):
        return f"{place(loc)}: {_ADVICE}"
    if apart := [f"[{command}]" for key in keys if (key.name,) == loc for command in key.params]:
        return f"{place(loc)}: is not the same in every command; set it in {' or '.join(apart)}"
    near = get_close_matches(name.replace("-", "_"), known, 1, 0.6)
    return f"{place(loc)}: no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _place(file: Path, text: str, loc: tuple[str, ...]) -> str:
    """``rulegen.toml:12: nightly.out``; without a line where the key is written in another way."""
    table, line = "", 0
    *tables, name = [part for part in loc if not part.isdecimal()]
    for number, row in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[\s*([\w.\-]+)\s*\]", row):
            table = head[1]
            if not tables and table == name:
                line = line or number
        elif table == ".".join(tables) and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", row):
            line = line or number
    return f"{file}:{line}: {'.'.join(loc)}" if line else f"{file}: {'.'.join(loc)}"


def _leaves(values: Mapping[str, Any], loc: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, value in values.items():
        found += _leaves(value, (*loc, name)) if isinstance(value, dict) else [((*loc, name), value)]
    return found


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return "@" in url


def _rooted(values: dict[str, Any], keys: tuple[Key, ...], root: Path) -> dict[str, Any]:
    """Paths as seen from the working directory."""
    paths = {key.name for key in keys if key.option.of is Path}

    def seen(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {inner: seen(inner, one) for inner, one in value.items()}
        if name not in paths:
            return value
        return [str(root / one) for one in value] if isinstance(value, list) else str(root / value)

    return {name: seen(name, value) for name, value in values.items()}
