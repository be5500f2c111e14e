"""The models that ship with rulegen, each pinned by the SHA-256 of its file; and the file that a user means.

A pinned model whose file is not the pinned one is refused. A file that the user names is the user's own and needs no
pin; only one that calls itself as a pinned one does must be it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rulegen.errors import ModelError, RulegenError
from rulegen.shipped import shipped

MANIFEST = "models/manifest.json"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"  # no path, and nothing that a terminal or a card could take for more


class Pin(BaseModel):
    """One model of the manifest: ``file`` and ``card`` lie beside it, ``size`` is in bytes, ``sha256`` in hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    file: str = Field(pattern=NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(gt=0)
    licence: str
    card: str = Field(pattern=NAME)


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[Pin, ...] = ()


class State(StrEnum):
    """What a file is, held against the pins."""

    VERIFIED = "verified"
    DIFFERS = "differs from its pin"
    MISSING = "missing"
    OWN = "not pinned"


@dataclass(frozen=True, slots=True)
class Model:
    """A model's file; ``pin`` where it is, or calls itself as, one that ships. ``sha256`` is empty for one that is
    missing."""

    path: Path
    pin: Pin | None
    sha256: str

    @property
    def state(self) -> State:
        if not self.sha256:
            return State.MISSING
        if self.pin is None:
            return State.OWN
        return State.VERIFIED if self.sha256 == self.pin.sha256 else State.DIFFERS


def pins() -> tuple[Pin, ...]:
    """The models that ship, in the manifest's order: the first is the default. Raises ModelError for a manifest that
    is missing or cannot be read."""
    try:
        path = shipped(MANIFEST)
        return read_manifest(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except RulegenError as error:
        raise ModelError(str(error)) from None


def read_manifest(path: Path) -> tuple[Pin, ...]:
    """The pins in the manifest at ``path``. Raises RulegenError for one that is none, OSError as reading does."""
    try:
        return _Manifest.model_validate_json(path.read_text(encoding="utf-8")).models
    except (ValidationError, UnicodeDecodeError) as error:
        raise RulegenError(f"{path}: no manifest of models: {str(error).splitlines()[0]}") from None


def write_manifest(path: Path, models: Sequence[Pin]) -> None:
    """Writes ``models`` to ``path``, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(_Manifest(models=tuple(models)).model_dump_json(indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def find(given: str) -> Model:
    """The model that ``given`` means: the name of one that ships, else the path of a file.

    Raises ModelError for a path where no file is.
    """
    known = pins()
    for pin in known:
        if given == pin.name:
            path = shipped(MANIFEST).parent / pin.file
            return Model(path, pin, digest(path) if path.is_file() else "")
    path = Path(given)
    if path.is_dir():
        raise ModelError(f"{given}: this is a directory; give the path of a GGUF file")
    if not path.is_file():
        names = ", ".join(pin.name for pin in known) or "none"
        raise ModelError(f"{given}: there is no such file, and no model of that name ships (those that do: {names})")
    return Model(path, next((pin for pin in known if pin.file == path.name), None), digest(path))


def trusted(given: str, *, allow_unverified: bool) -> Path:
    """The file of the model that ``given`` means (:func:`find`), fit to be loaded.

    Raises ModelError for one that is missing, and for one that is not what its pin says; ``allow_unverified`` takes
    the latter all the same.
    """
    model = find(given)
    if model.state is State.MISSING:
        raise ModelError(f"{model.path}: missing from this installation of rulegen; install it again")
    if model.state is State.DIFFERS and not allow_unverified:
        raise ModelError(mismatch(model))
    return model.path


def mismatch(model: Model) -> str:
    """What to say of a model that differs from its pin."""
    assert model.pin is not None
    return (
        f"{model.path}: not the model {model.pin.name} that ships: its SHA-256 is {model.sha256}, and "
        f"{model.pin.sha256} is pinned; install rulegen again, rename the file if it is your own, or give "
        "--allow-unverified"
    )


def digest(path: Path) -> str:
    """SHA-256 of the file, in hex. Raises ModelError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
