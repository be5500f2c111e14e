"""The templates, one a file, ranked by how often people choose it (``human-tunings``, 897 commits)."""

from rulegen.templates import (
    aggregate_count,
    aggregate_ratio,
    burn_rate,
    carve_out,
    collapse,
    dedupe,
    demote,
    gate,
    group,
    hold,
    inhibit,
    retune,
    smooth,
)
from rulegen.templates.template import Template

TEMPLATES: tuple[Template, ...] = (
    hold.TEMPLATE,  # longer for: 29%; keep_firing_for: under 1%
    retune.TEMPLATE,  # 21%
    dedupe.TEMPLATE,  # retired: 11%
    carve_out.TEMPLATE,  # noisy targets excluded: 10%
    demote.TEMPLATE,  # 8%
    collapse.TEMPLATE,  # coarser aggregation: 7%
    gate.TEMPLATE,  # and, unless: 7%
    smooth.TEMPLATE,  # longer window 4%, smoothing 2%
    inhibit.TEMPLATE,  # the routing is not in those commits
    group.TEMPLATE,
    aggregate_count.TEMPLATE,  # almost never
    aggregate_ratio.TEMPLATE,
    burn_rate.TEMPLATE,  # never, among the noisy alerts that people touched
)

__all__ = ["TEMPLATES", "Template"]
