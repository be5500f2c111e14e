"""Text of strangers in Markdown, as a parser of it and the forges' own passes after it see it."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from rulegen.emit.markdown import code, plain, table, unlinked

HOSTILE = (
    "@team look",
    "fixes #12, closes GH-12 and acme/rules#3",
    "[click](javascript:alert(1)) ![x](https://evil.example/x.png)",
    "see https://evil.example and www.evil.example, mail ann@evil.example",
    "</details></table><script>alert(1)</script><!-- /rulegen -->",
    "``` a fence ```\n```sh\nrm -rf /",
    "a|b, and a\\|b, and a``|`b`",
    "/close",
    '!7 &7 ~bug %"v1" $3 $x$',
    "<https://evil.example> &#64;team",
    "`",
    "\\",
)
# What GitHub and GitLab look for in the text that Markdown has left, and GitLab for commands in the source.
PASSES = re.compile(r"[@#!~&$%^][\w\"\[]|\bgh-\d|https?://|\bwww\.|\w@\w", re.IGNORECASE)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def seen(source: str) -> tuple[set[str], str, str]:
    """(kinds of tokens, text outside of code spans, text of code spans)."""
    kinds, text, spans = set(), "", ""
    for token in PARSER.parse(source):
        for one in [token, *(token.children or ())]:
            kinds.add(one.type)
            text += one.content if one.type in ("text", "text_special") else ""
            spans += one.content if one.type == "code_inline" else ""
    return kinds, text, spans


@pytest.mark.parametrize("text", HOSTILE)
def test_plain_is_text_alone(text: str) -> None:
    source = f"It says {plain(text)} here."
    kinds, found, _ = seen(source)
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    assert not PASSES.search(found)
    assert found.replace("\u200b", "") == f"It says {' '.join(text.splitlines())} here."
    assert not plain(text).startswith("/")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_one_cell_and_says_what_was_given(text: str) -> None:
    flat = " ".join(text.splitlines())
    for cell in (plain(text), code(text)):
        source = "\n".join(table(("a", "b"), [("left", cell)]))
        kinds, found, spans = seen(source)
        assert [one.type for one in PARSER.parse(source)].count("td_open") == 2
        assert not kinds & {"html_inline", "html_block", "link_open", "image", "fence"}
        assert flat in (spans, found.replace("\u200b", "").removeprefix("ableft"))
        assert not PASSES.search(found)


@pytest.mark.parametrize("text", HOSTILE)
def test_code_says_what_was_given(text: str) -> None:
    _, found, spans = seen(f"It says {code(text)} here.")
    assert spans == " ".join(text.splitlines()) and found == "It says  here."


def test_a_title_and_a_commit_mention_nobody_and_close_nothing() -> None:
    for text in HOSTILE:
        assert not PASSES.search(unlinked(text)) and "\n" not in unlinked(text)
    assert unlinked("for 0s → 5m, > 80 → > 95, 50% of a / b") == "for 0s → 5m, > 80 → > 95, 50% of a / b"
