"""What a routing tells alerts apart by."""

from __future__ import annotations

from rulegen.core.marks import marks
from rulegen.core.routing import Inhibition, Matcher, Receiver, Route, Routing


def is_(name: str, value: str, operator: str = "=") -> Matcher:
    return Matcher(name, operator, value)  # type: ignore[arg-type]


def test_times_first_then_inhibitions_then_routes() -> None:
    routes = (
        Route("db", matchers=(is_("team", "db"),)),
        Route("day", matchers=(is_("severity", "page"), is_("hours", "office")), mute=("night",)),
        Route("both", matchers=(is_("a", "1"), is_("b", "2"))),  # one label alone would not do
        Route("not", matchers=(is_("c", "1", "!="),)),
        Route("usual", matchers=(is_("severity", "page"),)),
    )
    stop = Inhibition((is_("alertname", "Down"),), (is_("cancel_if_down", "true"),))
    routing = Routing(Route("pager", routes=routes), {"pager": Receiver("pager")}, (stop,))
    assert marks(routing) == (("hours", "office"), ("cancel_if_down", "true"), ("team", "db"))
