"""Prompts made again for clusters that are labelled already: when the wording changes, what is right stays right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rulegen.core.candidate import Provenance
from rulegen.core.cluster import Cluster
from rulegen.core.durations import MINUTE
from rulegen.core.marks import marks
from rulegen.core.settings import Settings
from rulegen.desk import Desk
from rulegen.errors import InputError
from rulegen.propose.answer import read_answer
from rulegen.propose.offer import offers_for
from rulegen.propose.prompt import build_prompt
from rulegen.propose.refused import Refused
from rulegen.score.parts import split
from rulegen.templates import TEMPLATES
from rulegen.train.label.lines import Line, histories
from rulegen.train.wild import Wild, draw_world


@dataclass(slots=True)
class Rewording:
    """Rewords lines as they come, shard after shard; a world is drawn once for all of its lines."""

    seed: int = -1
    clusters: Mapping[str, Cluster] | None = None

    def __call__(self, line: Line) -> Line:
        """``line`` with the prompt that its cluster gets today.

        Raises InputError where the world of the seed has no such cluster any more, or the answer is not offered:
        then the labels are of another version and have to be made again.
        """
        seed, id = int(line["world"]), str(line["cluster"])
        if self.clusters is None or seed != self.seed:
            self.seed, self.clusters = seed, {one.id: one for one in clusters_of(draw_world(seed))}
        if id not in self.clusters:
            raise InputError(f"world {seed} has no cluster {id}: these labels are of another version")
        cluster = self.clusters[id]
        offers = offers_for(cluster, TEMPLATES)
        answer = line["answer"]
        if answer is not None and isinstance(read := read_answer(answer, offers, Provenance("search")), Refused):
            raise InputError(f"world {seed}, cluster {id}: {read.reason}: these labels are of another version")
        return {**line, "prompt": build_prompt(cluster, offers)}


def clusters_of(world: Wild) -> Iterator[Cluster]:
    """The clusters of ``world`` as they are labelled, without trying anything."""
    known = () if world.routing is None else marks(world.routing)
    for history in histories(world):
        desk = Desk.of(history, Settings(page=world.page), lambda _: (), MINUTE, lambda *_: None, known)
        yield from desk.select(split(desk.judge)).clusters
