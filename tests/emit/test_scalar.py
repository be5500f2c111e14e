from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rulegen.emit import scalar

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
WORDS = [
    "yes",
    "No",
    "on",
    "NULL",
    "~",
    "1",
    "1e3",
    "0x1F",
    "1_000",
    "12:30:45",
    ".inf",
    "2024-01-01",
    "=",
    "<<",
    "- a",
]
MORE = [
    "a: b",
    "a:",
    "a #b",
    "#",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "{a",
    "[a",
    "|",
    ">",
    "?",
    " a",
    "a ",
    "",
    "5m",
    "'",
]


def load(text: str, version: tuple[int, int]) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    return yaml.load(text)


def assert_reads(written: str, value: str) -> None:
    """In both versions of YAML, as a value in block style and in flow style."""
    for version in ((1, 1), (1, 2)):
        assert load(f"k: {written}\n", version) == {"k": value}


@given(TEXTS | st.sampled_from(WORDS + MORE))
def test_what_is_written_is_read(value: str) -> None:
    assert_reads(scalar.scalar(value), value)
    assert_reads(scalar.double(value), value)
    for version in ((1, 1), (1, 2)):
        in_flow = scalar.scalar(value, flow=True)
        assert load(f"{{a: {in_flow}, b: [{in_flow}]}}", version) == {"a": value, "b": [value]}


@given(TEXTS | st.sampled_from(WORDS + MORE), st.sampled_from(["plain", "'single'", '"double"']))
def test_quoting_is_kept(value: str, written: str) -> None:
    out = scalar.like(value, written)
    assert_reads(out, value)
    if written[0] == '"':
        assert out[0] == '"'


@given(TEXTS)
def test_a_key_reads_as_its_name(value: str) -> None:
    for version in ((1, 1), (1, 2)):
        assert load(f"{scalar.name(value)}: x\n", version) == {value: "x"}


@given(
    st.lists(TEXTS, min_size=1, max_size=4).map("\n".join), st.sampled_from(["|", "|-", "|+", ">-", ">2", "| # why"])
)
def test_a_block_holds_its_lines(value: str, header: str) -> None:
    block = scalar.literal(value, 4, "\n", header)
    if block is None:
        return
    read = load(f"k:\n  e: {block}\n  f: 1\n", (1, 2))
    wanted = "\n".join(line if line.strip() else "" for line in value.split("\n")).rstrip("\n")
    assert read["k"]["e"].rstrip("\n") == wanted
    assert read["k"]["f"] == 1


def test_styles_people_use_are_kept() -> None:
    assert scalar.scalar("up == 0") == "up == 0"
    assert scalar.scalar("5m") == "5m"
    assert scalar.scalar('up{job="a"}') == 'up{job="a"}'
    assert scalar.scalar('{job="a"}') == "'{job=\"a\"}'"
    assert scalar.like("it's", "'x'") == "'it''s'"


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert scalar.scalar("a\ud800b") == '"a\ufffdb"'


@pytest.mark.parametrize("value", [" indented", "\tindented", "", "\n", "a\rb", "a\x85b", "a\u2028b"])
def test_what_a_block_cannot_hold_is_refused(value: str) -> None:
    assert scalar.literal(value, 2, "\n") is None
