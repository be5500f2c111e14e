"""Text → the tree of a Go text/template (Go, text/template/parse)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from rulegen.errors import UnsupportedError
from rulegen.gotemplate.tree import Action, Branch, Call, Jump, Node, Operand, Pipeline, Template, Text

MAX_LENGTH = 1 << 16  # characters
MAX_NESTING = 50

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\.[^']*)')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?))
    |(?P<field>\.[^\W\d]\w*)
    |(?P<dot>\.)
    |(?P<variable>\$\w*)
    |(?P<word>[^\W\d]\w*)
    |(?P<symbol>:=|=|\||\(|\)|,)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_CONSTANTS = ("true", "false", "nil")
_KEYWORDS = ("if", "else", "end", "with", "range", "template", "define", "block", "break", "continue")


class TemplateError(Exception):
    """A template that Go does not parse or that fails when it is executed, as Prometheus fails it."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(text: str, functions: Collection[str]) -> Template:
    """The tree of ``text``, which may call ``functions``.

    Raises TemplateError where Go raises an error, UnsupportedError for what is too long or too deep to read.
    """
    if len(text) > MAX_LENGTH:
        raise UnsupportedError(f"a template of more than {MAX_LENGTH} characters")
    pieces = list(_pieces(text))
    for token in (token for piece in pieces if not isinstance(piece, str) for token in piece):
        if token.kind == "word" and token.text not in (*_KEYWORDS, *_CONSTANTS, *functions):
            raise TemplateError(f"function {token.text!r} not defined")
    reader = _Reader(pieces)
    nodes, ended = reader.nodes(())
    assert not ended
    return Template(nodes, reader.defined)


def _pieces(text: str) -> Iterator[str | list[_Token]]:
    """Literal text, and the tokens of each action, in turn; trim markers and comments are done with."""
    at, trim = 0, False
    while True:
        start = text.find("{{", at)
        literal = text[at:] if start < 0 else text[at:start]
        if trim:
            literal = literal.lstrip(" \t\r\n")
        if start < 0:
            yield literal
            return
        inner = start + 2
        if text[inner : inner + 1] == "-" and text[inner + 1 : inner + 2] in (" ", "\t", "\r", "\n"):
            literal, inner = literal.rstrip(" \t\r\n"), inner + 2
        yield literal
        tokens: list[_Token] = []
        if text.startswith("/*", inner):
            end = text.find("*/", inner)
            if end < 0:
                raise TemplateError("unclosed comment")
            close = re.compile(r"[ \t\r\n]-\}\}|\}\}").match(text, end + 2)
            if close is None:
                raise TemplateError("comment ends before closing delimiter")
            trim, at = len(close[0]) > 2, close.end()
            continue
        while True:
            close = re.compile(r"[ \t\r\n]-\}\}|\}\}").match(text, inner)
            if close is not None:
                trim, at = len(close[0]) > 2, close.end()
                break
            found = _TOKEN.match(text, inner)
            if found is None:
                raise TemplateError(
                    "unclosed action" if inner >= len(text) else f"unexpected {text[inner]!r} in an action"
                )
            tokens.append(_Token(str(found.lastgroup), found[0]))
            inner = found.end()
        yield tokens


@dataclass(slots=True)
class _Reader:
    pieces: list[str | list[_Token]]
    at: int = 0
    depth: int = 0
    loops: int = 0
    defined: dict[str, tuple[Node, ...]] = field(default_factory=dict)

    def nodes(self, ends: tuple[str, ...]) -> tuple[tuple[Node, ...], list[_Token]]:
        """Nodes up to an action that starts with one of ``ends``, and that action; up to the end where none."""
        found: list[Node] = []
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise UnsupportedError(f"a template nested more than {MAX_NESTING} levels deep")
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            self.at += 1
            if isinstance(piece, str):
                if piece:
                    found.append(Text(piece))
                continue
            tokens = _stripped(piece)
            word = tokens[0].text if tokens and tokens[0].kind == "word" else ""
            if word in ends:
                self.depth -= 1
                return tuple(found), tokens
            node = self.action(word, tokens)
            if node is not None:
                found.append(node)
        if ends:
            raise TemplateError("unexpected EOF")
        self.depth -= 1
        return tuple(found), []

    def action(self, word: str, tokens: list[_Token]) -> Node | None:
        if word in ("if", "with", "range"):
            return self.branch(word, tokens[1:])
        if word in ("define", "block"):
            name, rest = _name(tokens[1:], word)
            pipe = self.pipe(rest) if word == "block" else None
            if word == "define" and rest:
                raise TemplateError("unexpected words in define clause")
            self.defined[name], _ = self.nodes(("end",))
            return Call(name, pipe) if word == "block" else None
        if word == "template":
            name, rest = _name(tokens[1:], word)
            return Call(name, self.pipe(rest) if rest else None)
        if word in ("break", "continue"):
            if not self.loops:
                raise TemplateError(f"{word} outside range")
            return Jump(word)
        if word in ("else", "end"):
            raise TemplateError(f"unexpected {word}")
        return Action(self.pipe(tokens))

    def branch(self, kind: str, tokens: list[_Token]) -> Branch:
        pipe = self.pipe(_stripped(tokens), ranging=kind == "range")
        self.loops += kind == "range"
        body, ended = self.nodes(("else", "end"))
        self.loops -= kind == "range"
        other: tuple[Node, ...] = ()
        if ended[0].text == "else":
            rest = _stripped(ended[1:])
            if rest and rest[0].kind == "word" and rest[0].text in ("if", "with") and kind != "range":
                return Branch(kind, pipe, body, (self.branch(rest[0].text, rest[1:]),))
            if rest:
                raise TemplateError("unexpected words after else")
            other, _ = self.nodes(("end",))
        return Branch(kind, pipe, body, other)

    def pipe(self, tokens: list[_Token], *, ranging: bool = False) -> Pipeline:
        words = _Words(tokens)
        pipe = words.pipeline(ranging=ranging)
        if words.at < len(tokens):
            raise TemplateError(f"unexpected {tokens[words.at].text!r} in a command")
        return pipe


@dataclass(slots=True)
class _Words:
    """The tokens of one action, read from left to right."""

    tokens: list[_Token]
    at: int = 0
    depth: int = 0

    def peek(self, *texts: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at].text in texts

    def spaces(self) -> None:
        while self.at < len(self.tokens) and self.tokens[self.at].kind == "space":
            self.at += 1

    def pipeline(self, *, ranging: bool = False) -> Pipeline:
        declared, assigns = self.declaration(ranging)
        commands = [self.command()]
        while self.peek("|"):
            self.at += 1
            commands.append(self.command())
        if not all(commands):
            raise TemplateError("missing value for command")
        for later in commands[1:]:
            if later[0].kind in ("bool", "nil", "number", "string") or (
                later[0].kind == "dot" and not later[0].fields
            ):
                raise TemplateError("non executable command in pipeline")
        return Pipeline(tuple(commands), declared, assigns)

    def declaration(self, ranging: bool) -> tuple[tuple[str, ...], bool]:
        start, names = self.at, []
        self.spaces()
        while self.at < len(self.tokens) and self.tokens[self.at].kind == "variable":
            names.append(self.tokens[self.at].text)
            self.at += 1
            self.spaces()
            if self.peek(":=", "="):
                assigns = self.tokens[self.at].text == "="
                self.at += 1
                return tuple(names), assigns
            if not (ranging and self.peek(",") and len(names) == 1):
                break
            self.at += 1
            self.spaces()
        self.at = start
        return (), False

    def command(self) -> tuple[Operand, ...]:
        words: list[Operand] = []
        while True:
            before = self.at
            self.spaces()
            if self.at >= len(self.tokens) or self.peek("|", ")"):
                return tuple(words)
            if words and self.at == before:
                raise TemplateError(f"unexpected {self.tokens[self.at].text!r} in operand")
            words.append(self.operand())

    def operand(self) -> Operand:
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "symbol" and token.text == "(":
            self.depth += 1
            if self.depth > MAX_NESTING:
                raise UnsupportedError(f"a template nested more than {MAX_NESTING} levels deep")
            pipe = self.pipeline()
            if not self.peek(")"):
                raise TemplateError("unclosed left paren")
            self.at += 1
            self.depth -= 1
            return Operand("pipe", pipe=pipe, fields=self.fields())
        if token.kind == "field":
            return Operand("dot", fields=(token.text[1:], *self.fields()))
        if token.kind == "variable":
            return Operand("variable", token.text, fields=self.fields())
        if token.kind == "word":
            found = _word(token.text)
            fields = self.fields()
            if fields and found.kind != "function":
                raise TemplateError(f"unexpected . after term {token.text!r}")
            return Operand(found.kind, found.name, found.value, fields=fields)
        if token.kind == "dot":
            return Operand("dot")
        if token.kind == "string":
            return Operand("string", value=unquoted(token.text))
        if token.kind == "char":
            char = unquoted('"' + token.text[1:-1].replace('"', '\\"') + '"')
            if len(char) != 1:
                raise TemplateError(f"malformed character constant: {token.text}")
            return Operand("number", value=ord(char))
        if token.kind == "number":
            return Operand("number", value=_number(token.text))
        raise TemplateError(f"unexpected {token.text!r} in command")

    def fields(self) -> tuple[str, ...]:
        found = []
        while self.at < len(self.tokens) and self.tokens[self.at].kind == "field":
            found.append(self.tokens[self.at].text[1:])
            self.at += 1
        return tuple(found)


def _stripped(tokens: list[_Token]) -> list[_Token]:
    start = 0
    while start < len(tokens) and tokens[start].kind == "space":
        start += 1
    return tokens[start:]


def _name(tokens: list[_Token], word: str) -> tuple[str, list[_Token]]:
    tokens = _stripped(tokens)
    if not tokens or tokens[0].kind != "string":
        raise TemplateError(f"missing name in {word} clause")
    return unquoted(tokens[0].text), _stripped(tokens[1:])


def _word(text: str) -> Operand:
    if text in ("true", "false"):
        return Operand("bool", value=text == "true")
    if text == "nil":
        return Operand("nil")
    if text in _KEYWORDS:
        raise TemplateError(f"unexpected <{text}> in command")
    return Operand("function", text)


def _number(text: str) -> int | float:
    try:
        return int(text, 0) if not re.fullmatch(r"[-+]?0\d+", text) else int(text, 8)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise TemplateError(f"bad number syntax: {text!r}") from None


def unquoted(text: str) -> str:
    """A Go string literal, interpreted or raw."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")

    def char(found: re.Match[str]) -> str:
        octal, *codes, plain = found.groups()
        code = int(octal, 8) if octal else next((int(one, 16) for one in codes if one), None)
        if code is not None:
            if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (not codes[1] and not codes[2] and code > 0x7F):
                raise UnsupportedError(f"the escape {found[0]} in a template")
            return chr(code)
        if plain not in _PLAIN_ESCAPES:
            raise TemplateError(f"malformed string: unknown escape {found[0]}")
        return _PLAIN_ESCAPES[plain]

    return _ESCAPE.sub(char, text[1:-1])
