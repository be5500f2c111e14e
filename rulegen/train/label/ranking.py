"""Which accepted change a model should learn to propose: the quietest; among equals, the one that people make."""

from __future__ import annotations

from collections.abc import Sequence

from rulegen.core.outcome import Verdict
from rulegen.core.rule import RuleRef
from rulegen.score.choose import options_for
from rulegen.score.gate import Standing

EQUAL = 0.05  # of the rule's noise, effort included: closer than this is equally good
# How often people choose a kind of change where an alert is noisy, in percent of the commits that do so (897 commits
# of 27 repositories; `human-tunings`). Kinds that hardly anybody chose get a share of a percent: order decides.
PRIOR = {
    "hold": 29.0,
    "retune": 21.0,
    "dedupe": 11.0,
    "carve_out": 10.0,
    "demote": 8.0,
    "collapse": 7.0,
    "gate": 7.0,
    "narrow": 6.0,
    "floor": 5.0,  # "> 0 becomes > N": among the looser thresholds
    "smooth": 4.0,  # longer window
    "relabel": 3.0,  # office hours, and inhibited by a label
    "rescale": 2.0,
    "latch": 1.5,  # comparison rewritten, of which it is one way
    "late_data": 1.0,
    "split_severity": 0.9,
    "absent_guard": 0.8,
    "aggregate_expr": 0.7,
    "seasonal_mute": 3.0,  # office hours
    "hysteresis": 0.5,
    "dynamic_threshold": 0.4,
    "inhibit": 0.4,  # the routing is not in those commits
    "group": 0.3,
    "aggregate_count": 0.2,
    "aggregate_ratio": 0.2,
    "burn_rate": 0.1,
}


def likeliest(costs: Sequence[float], templates: Sequence[str]) -> int | None:
    """Which of several accepted changes to learn: ``costs`` are what each leaves of the rule's noise, as a share and
    with a little for effort; ``templates`` say of which kind it is.

    None where leaving the rule alone costs no more. Of those within ``EQUAL`` of the least, the likeliest kind wins,
    then the least.
    """
    least = min(costs, default=1.0)
    if least >= 1.0:
        return None
    near = [at for at, cost in enumerate(costs) if cost <= least + EQUAL and cost < 1.0]
    return min(near, key=lambda at: (-PRIOR[templates[at]], costs[at], at))


def costs_of(standing: Standing, ref: RuleRef, passed: Sequence[Verdict]) -> list[float]:
    """What each of ``passed`` leaves of the noise of the rule at ``ref`` (:mod:`rulegen.score.choose`); 1 is all."""
    as_it_is, *options = options_for(standing, ref, passed)
    return [option.cost / as_it_is.cost if as_it_is.cost else 1.0 for option in options]
