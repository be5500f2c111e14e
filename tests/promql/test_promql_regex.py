from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql.regex import compile_regex


@pytest.mark.parametrize(
    ("pattern", "matched", "unmatched"),
    [
        ("a|bc", ["a", "bc"], ["ab", "abc", "c", ""]),
        ("", [""], ["a"]),
        (".*", ["", "a\nb"], []),
        ("a$", ["a"], ["a\n"]),
        (r"\Aa\z", ["a"], ["a\n"]),
        (r"\d+", ["12"], ["٣"]),
        (r"\w+", ["a_1"], ["é"]),
        (r"\s", [" ", "\n"], ["\v", "\u00a0"]),
        (r"\S", ["\v", "a"], [" "]),
        (r"[\s]", [" "], ["\v"]),
        ("(?i)abc", ["ABC", "abc"], ["abd"]),
        ("(?i:a)b", ["Ab"], ["AB"]),
        ("(?i)a|b", ["A", "B"], ["c"]),
        ("(?s-i:a.)", ["a\n"], ["A\n"]),
        ("[[:alpha:]]+", ["aB"], ["a1"]),
        ("[^[:digit:]x]", ["a"], ["1", "x"]),
        ("[a-c&&b]", ["a", "&"], ["d"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[a-]", ["-", "a"], ["b"]),
        ("[[]", ["["], ["]"]),
        (r"[\w.-]+", ["a.b-c"], ["a b"]),
        (r"\x41\x{1F600}", ["A😀"], ["B😀"]),
        (r"\Qa.b\E+", ["a.ba.b"], ["axb"]),
        ("x{2}", ["xx"], ["x"]),
        ("x{2,}", ["xxx"], ["x"]),
        ("x{,2}", ["x{,2}"], ["xx"]),
        ("a{", ["a{"], ["a"]),
        ("(?P<n>a)(?<m>b)", ["ab"], ["a"]),
        ("a*?b", ["aab"], ["aa"]),
        ("é+", ["éé"], ["e"]),
        ("a#b c", ["a#b c"], ["a"]),
    ],
)
def test_reads_as_re2_does(pattern: str, matched: list[str], unmatched: list[str]) -> None:
    regex = compile_regex(pattern)
    assert [text for text in matched if not regex.fullmatch(text)] == []
    assert [text for text in unmatched if regex.fullmatch(text)] == []


def test_before_prometheus_3_a_dot_is_no_newline() -> None:
    assert compile_regex("a.b", dot_all=True).fullmatch("a\nb")
    assert not compile_regex("a.b", dot_all=False).fullmatch("a\nb")


@pytest.mark.parametrize("pattern", ["(", ")", "[a", "*", "a**", "a*+", "a++", "x{1001}", "\\", r"\x{110000}"])
def test_what_re2_refuses_is_a_query_error(pattern: str) -> None:
    with pytest.raises(QueryError, match="invalid regular expression"):
        compile_regex(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)", "(?!a)", "(?>a)", "(?U)a*", "(?m)^a$", "a(?i)b", r"\pL", r"\1", r"\C", "(?i)é", "[[:foo:]]",
        "(a+)+", "(a*)*b", "((a+)b)*", "(?:a|b+){2,}", ".*.*.*.*.*.*.*x", "(.*){7}", "(" * 60 + ")" * 60,
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_unsupported(pattern: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        compile_regex(pattern)
    assert not isinstance(caught.value, QueryError)
    assert str(caught.value).startswith("unsupported: regexp")


@given(st.text(alphabet="ab.*+?()[]{}|^$\\-:,=!<>PpQE01dswizx&~#é\n", max_size=12), st.text("ab01\n.", max_size=6))
def test_any_pattern_matches_or_is_refused(pattern: str, text: str) -> None:
    try:
        regex = compile_regex(pattern)
    except UnsupportedError:
        return
    regex.fullmatch(text)


@given(st.text(max_size=20))
def test_literals_match_themselves_alone(text: str) -> None:
    escaped = "".join("\\" + char if char in r"\.+*?()|[]{}^$" else char for char in text)
    regex = compile_regex(escaped)
    assert regex.fullmatch(text)
    assert not regex.fullmatch(text + "x")
