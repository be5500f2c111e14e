"""What a world is made from: the recipe, as it is read from YAML."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rulegen.errors import InputError
from rulegen.train.plots import KINDS


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlotRecipe(_Strict):
    """One plot: a rule, the noise that makes it page for nothing, and the incidents that hide there.

    What is left out is drawn from the seed. ``per_day`` is how often the noise comes, ``trap`` plants an incident
    that a tempting change would lose, ``twin`` adds a second rule that says nearly the same.
    """

    kind: str
    service: str | None = None
    replicas: Annotated[int, Field(ge=1, le=64)] | None = None
    incidents: Annotated[int, Field(ge=0, le=1000)] | None = None
    per_day: Annotated[float, Field(ge=0, le=500)] | None = None
    every: Annotated[int, Field(ge=60, le=240, multiple_of=60, description="scrape interval, seconds")] = 60
    trap: bool | None = None
    twin: bool = False

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; one of {', '.join(sorted(KINDS))}")
        return kind


class DialectRecipe(_Strict):
    """How this team names things; what is left out is drawn from the seed."""

    namespace: str | None = None
    service: str | None = None
    pod: str | None = None
    page: str | None = None
    ticket: str | None = None
    style: Literal["camel", "prefixed"] | None = None
    http: str | None = None
    measures: dict[str, str] = Field(default_factory=dict, description="role → metric name")


class Recipe(_Strict):
    """A world, up to its seed. A deploy replaces all pods of a service; an outage stops all scrapes for a while."""

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    start: AwareDatetime = datetime.fromisoformat("2026-02-02T00:00:00+00:00")
    days: Annotated[float, Field(ge=0.5, le=400)] = 21
    deploys: Annotated[int, Field(ge=0, le=10)] = 2
    outages: Annotated[int, Field(ge=0, le=50)] = 1
    missed: Annotated[float, Field(ge=0, le=0.2, description="share of scrapes that fail")] = 0.001
    dialect: DialectRecipe = DialectRecipe()
    plots: Annotated[tuple[PlotRecipe, ...], Field(min_length=1)]


def read_recipe(text: str, path: str) -> Recipe:
    """A recipe from YAML. Raises InputError that names ``path`` and every field that is wrong."""
    try:
        tree: Any = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        raise InputError(f"{path}:{line}: not YAML: {getattr(error, 'problem', error)}") from error
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise InputError(
            *(f"{path}: {'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        ) from error
