"""Options that several commands have, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

READ, SERVER, JUDGE, ASK = "What to read", "How to ask the server", "How to judge", "Who proposes"
WRITE = "What to write"
PAGES = 'severity=~"page|critical|"'  # Settings' own; said here again, since --help imports nothing


def opt(flag: str, text: str, panel: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=text, rich_help_panel=panel, metavar=metavar)
    return option


Files = list[Path]
Texts = list[str]


Prometheus = Annotated[str, opt("--prometheus", "URL of a Prometheus-compatible API.", READ, "URL")]
Metrics = Annotated[Path | None, opt("--metrics", "OpenMetrics text with times; may be gzip.", READ, "FILE")]
Store = Annotated[Path | None, opt("--store", "What rulegen listen keeps.", READ, "FILE")]
Rules = Annotated[Files | None, opt("--rules", "Rule file or directory; may be repeated.", READ, "PATH")]
Incidents = Annotated[Path | None, opt("--incidents", "CSV or YAML: id, start, end, labels.", READ, "FILE")]
Impact = Annotated[str, opt("--impact", "PromQL that holds while something is wrong.", READ, "EXPR")]
Judged = Annotated[Texts | None, opt("--judged", "Time for which incidents were recorded.", READ, "START..END")]
Since = Annotated[str, opt("--since", "How far back, before --end.", READ, "DURATION")]
Start = Annotated[str, opt("--start", "First time: Unix seconds or RFC 3339.", READ, "TIME")]
End = Annotated[str, opt("--end", "Last time (now, or the end of the file).", READ, "TIME")]
Interval = Annotated[str, opt("--interval", "Evaluation interval where none is given.", READ, "DURATION")]
RangeSemantics = Annotated[
    str, opt("--range-semantics", "Left end of windows: Prometheus 3 open, 2 closed.", READ, "open|closed")
]
Strict = Annotated[bool, opt("--strict", "Bad items of the input are fatal.", READ)]
Token = Annotated[Path | None, opt("--token-file", "File with a bearer token.", SERVER, "FILE")]
User = Annotated[str, opt("--user", "Basic auth; password in RULEGEN_PROMETHEUS_PASSWORD.", SERVER, "NAME")]
Ca = Annotated[str, opt("--ca", "PEM file with the authorities to trust.", SERVER, "FILE")]
Timeout = Annotated[str, opt("--timeout", "Longest wait for one answer.", SERVER, "DURATION")]
CacheDir = Annotated[Path | None, opt("--cache", "Where what a server told is kept for other runs.", SERVER, "DIR")]
NoCache = Annotated[bool, opt("--no-cache", "Fetch everything anew and keep nothing.", SERVER)]
Lead = Annotated[str, opt("--lead", "A firing may precede its incident by this.", JUDGE, "DURATION")]
Carry = Annotated[str, opt("--carry", "Or by this, when it still holds.", JUDGE, "DURATION")]
Grace = Annotated[str, opt("--grace", "Around an incident nothing is noise.", JUDGE, "DURATION")]
AllowedDelay = Annotated[str, opt("--allowed-delay", "A catch may come later by this.", JUDGE, "DURATION")]
BurstGap = Annotated[str, opt("--burst-gap", "Closer firings are one burst.", JUDGE, "DURATION")]
Page = Annotated[str, opt("--page", "Which alerts page.", JUDGE, "MATCHERS")]
Alertmanager = Annotated[Path | None, opt("--alertmanager", "alertmanager.yml: count notifications.", JUDGE, "FILE")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
