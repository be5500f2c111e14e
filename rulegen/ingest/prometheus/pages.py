"""Long ranges in pages: sized so that no answer is enormous, and shorter where the server refuses."""

from __future__ import annotations

from collections.abc import Callable

from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.spans import Span
from rulegen.errors import UpstreamError
from rulegen.ingest.prometheus.failures import TooMuch

Progress = Callable[[int, int, str], None]  # done, total (in units of the caller's choice), what is being read

SAMPLES_A_PAGE = 500_000  # aimed at: some 15 MB of JSON
FIRST, SHORTEST, LONGEST = HOUR, MINUTE, DAY


def read_pages(span: Span, ask: Callable[[Span], int], done: Callable[[int], None]) -> None:
    """Asks for ``span`` page by page, in order; the first page starts at its start, the last ends at its end.

    ``ask`` reads one page and returns how many samples it held; neighbouring pages share their edge. ``done`` is told
    after each page where it ended. The next page's length follows from the last one's density (at most
    four times longer), a page that is refused as too large is halved, and one that took too long is cut by eight.

    Raises what ``ask`` raises; TooMuch ends it where even a page of a minute is too much.
    """
    at, length, ceiling = span.start, FIRST, LONGEST
    while True:
        page = Span(at, min(at + length, span.end))
        try:
            count = ask(page)
        except TooMuch as error:
            if page.length <= SHORTEST:
                raise UpstreamError(f"{error} (asked for {page.length / 1000:g} s of data)") from None
            ceiling = length = max(SHORTEST, page.length // (8 if error.slow else 2))
            continue
        done(page.end)
        if page.end == span.end:
            return
        at = page.end
        ceiling = min(LONGEST, ceiling * 5 // 4)  # after a refusal, slowly: too far costs one more refusal
        length = int(max(SHORTEST, min(length * 4, ceiling, length * SAMPLES_A_PAGE / max(count, 1))))
