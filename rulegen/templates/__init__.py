"""The templates, one a file, ranked by how often people choose it (``human-tunings``, 897 commits)."""

from rulegen.templates import (
    absent_guard,
    aggregate_count,
    aggregate_expr,
    aggregate_ratio,
    burn_rate,
    carve_out,
    collapse,
    dedupe,
    demote,
    dynamic_threshold,
    floor,
    gate,
    group,
    hold,
    hysteresis,
    inhibit,
    latch,
    late_data,
    narrow,
    relabel,
    rescale,
    retune,
    seasonal_mute,
    smooth,
    split_severity,
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
    split_severity.TEMPLATE,  # page only above a higher threshold
    narrow.TEMPLATE,  # scope narrowed: 6%
    floor.TEMPLATE,  # > 0 becomes > N: among the looser thresholds
    smooth.TEMPLATE,  # longer window 4%, smoothing 2%
    rescale.TEMPLATE,  # a numeric factor, or an inner threshold
    relabel.TEMPLATE,  # office hours 3%, and inhibited by a label
    latch.TEMPLATE,  # comparison rewritten
    late_data.TEMPLATE,  # 1%
    inhibit.TEMPLATE,  # the routing is not in those commits
    group.TEMPLATE,
    aggregate_expr.TEMPLATE,  # coarser aggregation by another operator
    absent_guard.TEMPLATE,  # the rest: each under 1%, or never
    seasonal_mute.TEMPLATE,
    dynamic_threshold.TEMPLATE,
    hysteresis.TEMPLATE,
    aggregate_count.TEMPLATE,  # almost never
    aggregate_ratio.TEMPLATE,
    burn_rate.TEMPLATE,  # never, among the noisy alerts that people touched
)

__all__ = ["TEMPLATES", "Template"]
