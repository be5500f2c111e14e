"""Recorded alerts → what they come to over all names: the survey of their stream, in words and with its links."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rulegen.cluster.streams import Named
from rulegen.cluster.survey import survey
from rulegen.core.alert import Episode
from rulegen.core.overview import Led, Overview, Repeated


def overview(episodes: Sequence[Episode]) -> Overview | None:
    """What ``episodes``, mended and in any order, come to; None without any. n·log n in their number."""
    if not episodes:
        return None
    named = Named.of(episodes)
    stream = named.stream
    found = survey(stream, named.names)
    repeated = []
    for one in found.clusters:
        rows = found.order[one.begin : one.end]
        origin = stream.origin[rows]
        middle = (0, len(origin) // 2, len(origin) - 1)
        repeated.append(
            Repeated(
                one.name,
                len(np.unique(stream.name[rows])),
                one.pattern,
                one.facts,
                origin,
                tuple(episodes[int(origin[at])] for at in dict.fromkeys(middle)),
            )
        )
    led = tuple(
        Led(found.kinds[one.first], found.kinds[one.then], one.lag, one.seen, one.brought, one.p)
        for one in found.led.pairs
    )
    return Overview(len(episodes), len(named.names), found.alone, tuple(repeated), led)
