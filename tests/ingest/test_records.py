"""Two records of the same alerts: none is lost, none counted twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.ingest.records import both


def one(start: int, end: int, name: str = "A", **labels: str) -> Episode:
    return Episode(Labels({"alertname": name, **labels}), Span(start, end))


def test_what_was_sent_with_labels_more_is_the_same() -> None:
    own = (one(100, 200, pod="a"), one(300, 400, pod="a"))
    sent = (
        one(100, 390, pod="a", cluster="eu"),  # the sender saw no pause
        one(205, 206, pod="a", cluster="eu"),  # within the slack
        one(220, 240, pod="a", cluster="eu"),  # in the pause: the record lacks it
        one(100, 200, pod="b", cluster="eu"),
        one(100, 200, "B", pod="a", cluster="eu"),
        one(100, 200, cluster="eu"),  # the record's has a label that this one lacks
    )
    assert both(own, sent, 10) == tuple(sorted((*own, *sent[2:]), key=lambda e: (e.span, e.labels)))
    assert both((), sent, 10) == tuple(sorted(sent, key=lambda e: (e.span, e.labels)))
    assert both(own, (), 10) == own


_EPISODES = st.lists(
    st.builds(
        lambda start, length, name, labels: one(start, start + length, name, **labels),
        st.integers(0, 30),
        st.integers(0, 8),
        st.sampled_from("AB"),
        st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")),
    ),
    max_size=12,
)


@given(_EPISODES, _EPISODES, st.integers(0, 3))
def test_as_pair_by_pair(own: list[Episode], other: list[Episode], slack: int) -> None:
    def told(e: Episode) -> bool:
        return any(
            e.labels.items() >= mine.labels.items()
            and mine.span.start - slack <= e.span.end
            and mine.span.end + slack >= e.span.start
            for mine in own
        )

    expected = [*own, *(e for e in other if not told(e))]
    assert both(own, other, slack) == tuple(sorted(expected, key=lambda e: (e.span, e.labels)))
