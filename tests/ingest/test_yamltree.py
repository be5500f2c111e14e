from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode, SequenceNode, YamlError, parse_documents


def plain(node: Node) -> Any:
    if isinstance(node, ScalarNode):
        return None if node.null else node.text
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.items]
    assert isinstance(node, MappingNode)
    return {name: plain(value) for name, (_, value) in node.fields().items()}


def only(text: str) -> Any:
    (document,) = parse_documents(text)
    return plain(document)


def as_text(value: Any) -> Any:
    """What ruamel.yaml loaded, with every scalar as ``plain`` gives it, as far as that can be told."""
    if isinstance(value, dict):
        return {str(key): as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    return value if value is None or isinstance(value, str) else ...


def alike(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, dict):
        return (
            isinstance(ours, dict) and ours.keys() == theirs.keys() and all(alike(ours[k], theirs[k]) for k in ours)
        )
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(alike, ours, theirs))
    return isinstance(ours, str) if theirs is ... else bool(ours == theirs)


def test_merges_follow_the_order_of_yaml(tmp_path: Path) -> None:
    assert only("{<<: [{a: 1, b: 1}, {b: 2, c: 2}], c: 3}") == {"a": "1", "b": "1", "c": "3"}
    assert only("{<<: {<<: {a: 1, b: 1}, b: 2}}") == {"a": "1", "b": "2"}
    assert only('{"<<": {a: 1}}') == {"<<": {"a": "1"}}, "a quoted << is a key like any other"


def test_what_is_null() -> None:
    found = only("a:\nb: ~\nc: null\nd: 'null'\ne: ''\nf: Null\ng: nil\n")
    assert found == {"a": None, "b": None, "c": None, "d": "null", "e": "", "f": None, "g": "nil"}


@pytest.mark.parametrize("tail", ["", "\n", " # c\n", "\n\n# c\n"])
def test_a_missing_value_stands_behind_its_colon(tail: str) -> None:
    text = f"a:\n  b :{tail}"
    (document,) = parse_documents(text)
    assert isinstance(document, MappingNode)
    inner = document.items[0][1]
    assert isinstance(inner, MappingNode)
    value = inner.items[0][1]
    assert (value.start, value.end, value.line, value.style) == (8, 8, 2, "empty")


def test_line_ends_of_every_kind_count() -> None:
    with pytest.raises(YamlError) as caught:
        parse_documents("a: 1\r\nb: 2\r\nc: [\r\n")
    assert caught.value.line == 4


def test_it_reads_what_the_library_reads(shared_data: Path) -> None:
    count = 0
    for folder in ("promtool-tests", "rules/sloth", "rules/openshift"):
        for path in sorted((shared_data / folder).rglob("*.y*ml")):
            text = path.read_bytes().decode()
            theirs = [document for document in YAML(typ="safe", pure=True).load_all(text) if document is not None]
            ours = [plain(document) for document in parse_documents(text)]
            assert len(ours) == len(theirs)
            assert all(map(alike, ours, map(as_text, theirs))), path
            count += 1
    assert count > 150
