"""Random histories to learn from: from a seed alone, a team's way to name things, its services, rules and incidents.

Where a recipe spells a world out, here everything is drawn: what is measured, how it is asked for, how noise comes
about and what hides in it. Seeds from ``UNSEEN`` on are for evaluation: their words, and their topologies (more
services, more pods, longer), occur in no other seed's world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rulegen.core.durations import MINUTE
from rulegen.core.history import History, recordings
from rulegen.core.incident import IncidentRecord
from rulegen.core.labels import ALERT_NAME, EMPTY, Labels
from rulegen.core.routing import Inhibition, Matcher, Receiver, Route, Routing
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import Samples, Series
from rulegen.core.timeinterval import TimeInterval
from rulegen.train.axis import Axis
from rulegen.train.canvas import Canvas, Part
from rulegen.train.chance import pick, stream
from rulegen.train.families import Family, Role
from rulegen.train.lexicon import UNSEEN, Lexicon
from rulegen.train.plot import CALM, Kind, Plot, Signal, Stage, Truth
from rulegen.train.plots import KINDS
from rulegen.train.schedule import ROOM, Opening, Wish, draw_openings
from rulegen.train.scrape import scrape
from rulegen.train.shapes import draw_shape
from rulegen.train.signals import wander
from rulegen.train.stories import STORIES, Story, kinds, one_kind
from rulegen.train.topology import draw_service
from rulegen.train.vocabulary import Dialect, Measure, draw_dialect

START = 1_767_571_200_000  # 2026-01-05, a Monday
PLOTS = 0.12  # share of the rules whose story is one of the demo's plots
TWIN = 0.1  # share of the rules that another rule repeats
WITNESSED = 0.3  # share of the services with an alert on what users notice, in every incident and only then
ROUTED = 0.35  # share of the worlds whose Alertmanager configuration is known
HEARD = 0.3  # share of the worlds that are also seen from their alerts alone
NO_RECORD = 0.08  # share of the worlds in which nobody wrote incidents down

_SEVERITIES = (("page", "ticket"), ("critical", "warning"), ("critical", "warning"), ("high", "medium"), ("p1", "p3"))
_SERVICE_LABELS = ("service", "app", "job", "component", "workload", "deployment", "application", "name", "cluster")
_POD_LABELS = ("pod", "instance", "replica", "host", "node", "container_id", "server", "exported_instance")
_TEAMS = ("team", "owner", "squad", "tier", "area", "dept", "category", "routing_key")
_NOISY_PLOTS = tuple(name for name, kind in KINDS.items() if kind.incidents != (0, 0))
_QUIET_PLOTS = tuple(name for name, kind in KINDS.items() if kind.incidents == (0, 0))
_HOW_MANY = {False: (3, 7), True: (7, 9)}  # rules with a story
_SERIES = {False: (1, 7), True: (8, 11)}  # the most that a rule looks at
_DAYS = {False: (5, 9), True: (10, 12)}


@dataclass(frozen=True, slots=True)
class Team:
    """How a team writes rules: besides its dialect, the labels that it puts on them and what its severities mean."""

    dialect: Dialect
    labels: Labels
    unlabelled: bool  # what pages has no severity at all
    interval: int
    routing: Routing | None

    @property
    def hushed(self) -> float | None:
        """The hour from which alerts with some label are muted."""
        muted = [one.times for some in self.routing.intervals.values() for one in some] if self.routing else []
        return muted[0][0][0] / 60 if muted and muted[0] else None


@dataclass(frozen=True, slots=True, eq=False)
class Wild:
    """A random world. ``page`` are matchers of the alerts that page, ``routing`` is None where nobody showed it,
    ``stories`` says for each rule's name how its noise came about (empty for the rules beside it). ``heard``: it is
    also to be seen as somebody does who kept its alerts alone."""

    history: History
    page: str
    routing: Routing | None
    stories: Mapping[str, str]
    heard: bool


@dataclass(frozen=True, slots=True)
class _Cast:
    """One rule to be: its story, its plot (neither: a witness), its service and how many incidents hide in it."""

    id: str
    story: Story | None
    kind: Kind | None
    service: str
    incidents: int


def unseen(seed: int) -> bool:
    """Whether the world of ``seed`` is for evaluation."""
    return seed >= UNSEEN


def draw_world(seed: int, stories: Sequence[Story] = STORIES) -> Wild:
    """The world of ``seed``, with noise of ``stories`` alone. Same seed and stories, same world."""
    rng, words = stream(seed, "world"), Lexicon(stream(seed, "words"), unseen(seed))
    days = int(rng.integers(*_DAYS[unseen(seed)], endpoint=True))
    axis = Axis(START + int(rng.integers(28)) * 1440 * MINUTE, days * 1440)
    team = _team(seed, words)
    casts = _casts(seed, words, stories)
    wishes = [Wish(cast.id, cast.incidents, daytime=False) for cast in casts]
    openings = draw_openings(stream(seed, "incidents"), axis, wishes)
    busy = tuple((one.start - CALM, one.start + ROOM + 30) for many in openings.values() for one in many)
    known = (team.dialect.http, *(one.name for one in team.dialect.measures.values()))
    taken = {f"{name}{suffix}" for name in known for suffix in ("", "_total")}
    plots = [_plant(seed, axis, team, words, cast, openings, busy, casts, taken) for cast in casts]
    signals = tuple(signal for plot in plots for signal in plot.signals)
    down = np.zeros(axis.n, dtype=np.bool_)
    samples = _present(
        scrape(axis, signals, float(pick(rng, (0, 0.001, 0.003))), down, lambda name: stream(seed, name))
    )
    span = axis.span((0, axis.n))
    incidents = sorted((one for plot in plots for one in plot.incidents), key=lambda one: (one.span.start, one.id))
    record = None if rng.random() < NO_RECORD else IncidentRecord(tuple(incidents), (span,))
    rules = _grouped(rng, words, team, [rule for plot in plots for rule in plot.rules])
    history = History(span, recordings(samples), rules, samples, (), record)
    told = {truth.rule: truth.kind for plot in plots for truth in plot.truths}
    return Wild(
        history, f'severity=~"{team.dialect.page}|"', team.routing, told, bool(stream(seed, "heard").random() < HEARD)
    )


def _team(seed: int, words: Lexicon) -> Team:
    rng = stream(seed, "team")
    page, ticket = pick(rng, _SEVERITIES)
    service = words.among(_SERVICE_LABELS) if rng.random() < 0.8 else words.part()
    pod = words.among(_POD_LABELS) if rng.random() < 0.8 else f"{words.made_up()}_id"
    named = {"namespace": words.made_up(), "service": service, "pod": pod, "page": page, "ticket": ticket}
    labels = {}
    for _ in range(int(rng.integers(0, 3))):
        if (label := words.among(_TEAMS)) not in named.values():
            labels[label] = words.made_up()
    interval = int(pick(rng, (MINUTE, MINUTE, MINUTE, MINUTE, MINUTE // 2, 2 * MINUTE)))
    dialect = draw_dialect(stream(seed, "dialect"), named, {})
    return Team(dialect, Labels(labels), bool(rng.random() < 0.1), interval, _routing(seed, dialect, words))


def _routing(seed: int, dialect: Dialect, words: Lexicon) -> Routing | None:
    """A configuration that mutes, inhibits or routes by labels of its own, which rules may be given."""
    rng = stream(seed, "routing")
    if rng.random() > ROUTED:
        return None
    service, page = dialect.service, Matcher("severity", "=", dialect.page)
    routes: list[Route] = []
    inhibitions: list[Inhibition] = []
    intervals: dict[str, tuple[TimeInterval, ...]] = {}
    if rng.random() < 0.7:
        hushed = Matcher(
            words.word(("office_hours", "time_of_day", "urgency", "quiet")), "=", words.word(("yes", "low"))
        )
        start = int(rng.integers(0, 18))
        intervals["hushed"] = (TimeInterval(times=((start * 60, (start + int(rng.integers(4, 7))) * 60),)),)
        routes.append(Route("pager", str(hushed), (hushed,), (ALERT_NAME, service), mute=("hushed",)))
    if rng.random() < 0.5:
        effect = Matcher(
            words.word(("effect", "layer", "kind", "inhibit")), "=", words.word(("symptom", "true", "app"))
        )
        inhibitions.append(Inhibition((page,), (effect,), (service,)))
    group_by = (ALERT_NAME, service) if rng.random() < 0.5 else (ALERT_NAME,)
    root = Route("pager", group_by=group_by, routes=tuple(routes))
    return Routing(root, {"pager": Receiver("pager")}, tuple(inhibitions), intervals)


def _casts(seed: int, words: Lexicon, stories: Sequence[Story]) -> tuple[_Cast, ...]:
    rng = stream(seed, "cast")
    told = [story for story in stories for _ in range(story.often)]
    plots = stories is STORIES and not unseen(seed)  # plots have words of their own, which are not held out
    services: list[str] = []
    casts: list[_Cast] = []
    for number in range(int(rng.integers(*_HOW_MANY[unseen(seed)], endpoint=True))):
        if not services or rng.random() < 0.55:
            services.append(_another(words, services))
        service = services[-1]
        incidents = int(pick(rng, (0, 1, 1, 2, 2, 3, 3)))
        if plots and rng.random() < PLOTS:
            kind = KINDS[pick(rng, _NOISY_PLOTS)]
            if all(cast.kind is not kind for cast in casts):
                casts.append(_Cast(f"plot-{number}", None, kind, service, max(1, incidents)))
                continue
        casts.append(_Cast(f"story-{number}", pick(rng, told), None, service, incidents))
    for number, service in enumerate(services):
        if rng.random() < WITNESSED:
            casts.append(_Cast(f"witness-{number}", None, None, service, 0))
    if plots and rng.random() < 0.4:
        casts.append(_Cast("quiet", None, KINDS[pick(rng, _QUIET_PLOTS)], _another(words, services), 0))
    return tuple(casts)


def _another(words: Lexicon, services: Sequence[str]) -> str:
    while (name := words.service()) in services:
        pass
    return name


def _plant(
    seed: int,
    axis: Axis,
    team: Team,
    words: Lexicon,
    cast: _Cast,
    openings: dict[str, tuple[Opening, ...]],
    busy: tuple[tuple[int, int], ...],
    casts: Sequence[_Cast],
    taken: set[str],
) -> Plot:
    rng = stream(seed, "plot", cast.id)
    replicas, deploys = _size(seed, rng, cast)
    labels = Labels({"namespace": team.dialect.namespace, team.dialect.service: cast.service})
    service = draw_service(rng, axis, cast.service, labels, team.dialect.pod, replicas, deploys, busy)
    free = np.ones(axis.n, dtype=np.bool_)
    free[:CALM] = False
    for other in casts:
        if other.service == cast.service:
            for opening in openings[other.id]:
                free[max(0, opening.start - CALM) : opening.start + ROOM + 30] = False
    mine = openings[cast.id]
    hidden = mine[int(rng.integers(len(mine)))].id if mine and rng.random() < 0.6 else ""
    stage = Stage(
        axis,
        team.dialect,
        service,
        mine,
        free,
        rng,
        _name(cast),
        float(rng.uniform(0.7, 1.6)),
        1,
        hidden,
        twin=False,
    )
    if cast.kind is not None:
        often = float(rng.uniform(*cast.kind.per_day))
        return cast.kind.plant(replace(stage, every=int(pick(rng, (1, 1, 2))), per_day=often))
    if cast.story is None:
        return _witness(
            stage, words, [one for other in casts if other.service == cast.service for one in openings[other.id]]
        )
    others = [
        one for other in casts if other.service == cast.service and other is not cast for one in openings[other.id]
    ]
    return _told(stage, team, words, cast.story, others, taken)


def _name(cast: _Cast) -> str:
    if cast.kind is not None:
        return cast.kind.name
    return "" if cast.story is None else cast.story.name


def _witness(stage: Stage, words: Lexicon, openings: Sequence[Opening]) -> Plot:
    """What users notice: an alert that fires in every incident of the service, at once, and never else."""
    rng = stage.rng
    family, limit = words.family("high"), words.threshold("percent")
    name = (
        f"{words.made_up()}_{pick(rng, ('failed_journeys_percent', 'unhappy_users_percent', 'lost_orders_percent'))}"
    )
    level = np.clip(0.3 + wander(rng, stage.axis.n, 0.05), 0.02, 0.8)
    for opening in openings:
        level[opening.start : opening.start + int(rng.integers(12, 40))] = rng.uniform(1.2, 1.4)
    # Compared with what the team promised, which is a metric too: no number that other rules could be gated by.
    promised = Measure(f"{name}_allowed", "gauge", "What was promised.")
    signals = (
        Signal(Measure(name, "gauge", "What users notice."), stage.service.whole, level * limit, 1),
        Signal(promised, stage.service.whole, np.full(stage.axis.n, limit), 1),
    )
    return Plot(signals, (stage.page(words.alert(family), f"{name} > {promised.name}", 0),), ())


def _size(seed: int, rng: np.random.Generator, cast: _Cast) -> tuple[int, int]:
    """How many pods a service has, and how often they are replaced."""
    if cast.kind is not None:
        return int(rng.integers(*cast.kind.replicas, endpoint=True)), int(rng.integers(0, 2))
    if cast.story is None:
        return 1, 0
    low, high = cast.story.series
    few, many = _SERIES[unseen(seed)]
    replicas = int(rng.integers(max(low, min(few, high)), max(low, min(many, high)), endpoint=True))
    restless = cast.story.name in ("rollouts", "churn")
    return replicas, int(rng.integers(4, 9)) if restless else int(pick(rng, (0, 0, 1, 2)))


def _told(stage: Stage, team: Team, words: Lexicon, story: Story, others: Sequence[Opening], taken: set[str]) -> Plot:
    """A rule on some metric, with the noise of ``story`` in what it reads, the stage's incidents, and perhaps those
    of the ``others`` of the service."""
    rng = stage.rng
    role = pick(rng, story.roles)
    shape = draw_shape(role, rng)
    while taken & {(family := words.family(role)).name, family.whole}:
        pass  # else two rules could mean the same series
    parts, family = _parts(stage, words, story, role, family)
    hold = int(pick(rng, story.holds))
    scope = {}
    if rng.random() < 0.4:
        scope[stage.dialect.service] = stage.service.name
    if rng.random() < 0.2:
        scope["namespace"] = team.dialect.namespace
    taken |= {family.name, family.whole} - {""}
    canvas = Canvas(replace(stage, scope=Labels(scope)), words, family, parts, hold, shape.window, team.hushed)
    story.paint(canvas)
    canvas.feel(others)
    if not canvas.incidents:
        canvas.open_incidents()
    expr, signals = shape.write(canvas)
    rule = _rule(canvas, team, expr)
    rules = [*canvas.rules, rule] if rng.random() < 0.5 else [rule, *canvas.rules]
    if rng.random() < TWIN:
        rules.append(_twin(canvas, rule))
    truths = tuple(Truth(story.name if one not in canvas.rules else "", one.name) for one in rules)
    return Plot((*signals, *canvas.signals), tuple(rules), truths, tuple(canvas.incidents))


def _parts(stage: Stage, words: Lexicon, story: Story, role: Role, family: Family) -> tuple[tuple[Part, ...], Family]:
    """The series of a rule: one a pod, or one for each value of a label, of the whole service."""
    service, count = stage.service, len(stage.service.targets)
    if story.paint is one_kind and role not in ("requests", "latency", "absent"):
        few, kind = kinds(count), f"{words.part()}_class"
        first, rest = words.values(2)
        named = [(value, first if at < few else rest) for at, value in enumerate(words.values(count))]
        part = f"{words.made_up()}_{words.part()}"
        labelled = [Labels({part: value, kind: which}) for value, which in named]
        return tuple(Part(service.whole, labels) for labels in labelled), replace(family, part=part)
    if role == "absent":
        return (Part(service.whole),), family
    by_pod = story.name in ("rollouts", "churn") or role == "restarts" or stage.rng.random() < 0.55
    if role in ("requests", "latency"):
        by_pod = by_pod and count <= 3
    if by_pod:
        own = (stage.dialect.service, stage.dialect.pod, "namespace", "")
        labels = Labels({family.part: words.values(1)[0]}) if family.part not in own and role != "requests" else EMPTY
        return tuple(Part(target, labels) for target in service.targets), family
    if count == 1 or role == "requests":
        return (Part(service.whole),), family
    part = family.part or words.part()
    if part in (stage.dialect.service, stage.dialect.pod, "namespace"):
        part = f"{part}_name"
    return tuple(Part(service.whole, Labels({part: value})) for value in words.values(count)), replace(
        family, part=part
    )


def _rule(canvas: Canvas, team: Team, expr: str) -> Rule:
    rng, stage = canvas.rng, canvas.stage
    rule = stage.page("", expr, canvas.hold)
    name = canvas.words.alert(canvas.family)
    if rng.random() < 0.2:
        name += "".join(word.capitalize() for word in stage.service.name.split("-"))
    if rng.random() < 0.1:
        name = "".join(f"_{char.lower()}" if char.isupper() else char for char in name).strip("_")
    labels = dict(rule.labels)
    if team.unlabelled:
        del labels["severity"]
    return replace(rule, name=name, labels=Labels({**labels, **team.labels}))


def _twin(canvas: Canvas, rule: Rule) -> Rule:
    """The same once more by another hand: another name, a shorter or a longer wait."""
    hold = max(0, rule.hold + int(pick(canvas.rng, (-1, 0, 0, 1, 2))) * MINUTE)
    return replace(rule, name=f"{canvas.words.made_up().capitalize()}{rule.name}", hold=hold)


def _present(samples: Samples) -> Samples:
    """``samples`` without what is NaN: there nothing was scraped."""
    kept = []
    for series in samples:
        there = ~np.isnan(series.values)
        if there.all():
            kept.append(series)
        elif there.any():
            kept.append(Series(series.labels, series.times[there], series.values[there]))
    return Samples.of(kept)


def _grouped(rng: np.random.Generator, words: Lexicon, team: Team, rules: Sequence[Rule]) -> RuleSet:
    """The rules in a few groups of a few files."""
    count = int(rng.integers(1, 4))
    groups = []
    for number in range(count):
        mine = tuple(rules[number::count])
        path = (
            f"{words.word(('rules', 'alerts', 'prometheus', 'infra', 'apps'))}.{pick(rng, ('yml', 'yaml', 'rules'))}"
        )
        if mine:
            groups.append(RuleGroup(f"{words.made_up()}-{number}", mine, path, team.interval))
    return RuleSet(tuple(groups))
