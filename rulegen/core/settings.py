"""What a user may say about how alerts are judged. Times in ms; the words are those of the design's glossary."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.core.durations import HOUR, MINUTE

PAGES = 'severity=~"page|critical|"'


@dataclass(frozen=True, slots=True)
class Settings:
    """``page`` and ``protect`` hold PromQL matchers without braces."""

    lead: int = 15 * MINUTE  # a firing may start this long before an incident and still catch it
    carry: int = HOUR  # or have begun this long before, when it still holds
    grace: int = MINUTE  # around an incident, nothing is noise
    allowed_delay: int = 2 * MINUTE  # by which a catch may come later than before
    burst_gap: int = 10 * MINUTE  # firings closer than this are one burst
    ignore_shorter_than: int = 0  # bursts that end by themselves within this may go silent
    group_by: tuple[str, ...] = ("alertname",)  # what makes firings one notification group
    page: str = PAGES  # which alerts page
    protect: tuple[str, ...] = ()  # rules with such labels are never touched
    demote: bool = True  # may a page become a ticket, be muted for hours, or be retired?
    lose_lucky: bool = False  # may a catch that is no better than chance be lost?
    seed: int = 0
