"""A command line taken apart into simple commands, by the grammar of Bash.

The grammar is tree-sitter's. What it does not do is done here: quotes and escapes are removed,
braces and known variables expanded, here-documents and pipes tied to the command they feed,
words behind a redirection given back to their command. What only running would tell stays in a
word as `HOLE`. Nothing here knows what a program does.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from . import order
from .arithmetic import computes_with_text
from .quoting import (
    HOLE,
    PLACES,
    SPLIT,
    ansi,
    braces,
    odd_escape,
    split,
    unescape,
    unescape_string,
)
from .script import Command, Redirect, Script, Unreadable, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS_MAX = 512
"""Most simple commands of one line; a longer script is not read to its end."""

OPERATORS_MAX = 1_024
"""Most `|` and `&` of one line: the parser takes quadratic time on long pipes (0.1 s at this)."""

HEREDOCS_MAX = 128
"""Most `<<` of one line, for the same reason."""

DEPTH_MAX = 64
"""Deepest nesting of the syntax tree that is followed."""

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


@cache
def _parser() -> Any:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def parse(line: str) -> Script:
    """The simple commands of a line.

    Raises ImportError where the parser is not installed, Unreadable where there are more
    commands, or deeper ones, than are read.
    """
    if line.count("|") + line.count("&") > OPERATORS_MAX or line.count("<<") > HEREDOCS_MAX:
        raise Unreadable("it holds too many pipes or here-documents")
    walk = _Walk(line)
    # The grammar's scanner asks the C library what kind of letter a character is, and for those
    # beyond ASCII reads outside its table: a crash. Each is replaced by one that Bash, too, takes
    # for an ordinary part of a word, so that places in the tree are places in the line.
    root = _parser().parse(_BEYOND_ASCII.sub(".", line).encode()).root_node
    if root.has_error:
        walk.script.wrong = "it is not a complete command line of Bash"
    walk.statements(root, (), 0)
    if not walk.script.wrong and computes_with_text(walk.unquoted()):
        walk.script.wrong = "it computes with a text, whose subscripts may run commands"
    return walk.script


_IGNORED = frozenset(("comment", "heredoc_end", "heredoc_start", "variable_name", "word"))
_SUBSTITUTION = re.compile(r"`|\$\(|[<>]\(")
_REDIRECTS = frozenset(("file_redirect", "heredoc_redirect", "herestring_redirect"))
_DECLARING = frozenset(("declaration_command", "unset_command"))


class _Walk:
    def __init__(self, source: str) -> None:
        self.source = source
        self.script = Script()
        self.verbatim: list[tuple[int, int]] = []
        self.mentions: Counter[str] | None = None
        self.known: dict[str, str] = {"IFS": SPLIT}
        if "IFS=" in source:
            self.known["IFS"] = HOLE

    def unquoted(self) -> str:
        """The line without its quoted here-documents, in which the shell expands nothing."""
        line = self.source
        for start, end in sorted(self.verbatim, reverse=True):
            line = line[:start] + line[end:]
        return line

    def statements(self, node: Any, feeds: tuple[Command, ...], depth: int) -> list[Command]:
        """Reads a node and all below; returns the commands whose output it is."""
        if depth > DEPTH_MAX:
            raise Unreadable(f"its commands are nested more than {DEPTH_MAX} deep")
        kind = node.type
        if kind == "command":
            return [self._command(node, feeds, depth)]
        if kind == "pipeline":
            return self._pipeline(node.named_children, feeds, depth)
        if kind == "redirected_statement":
            return self._redirected(node, feeds, depth)
        if kind == "variable_assignment":
            return [self._assignment(node, depth)]
        if kind in _DECLARING or kind == "test_command":
            return [self._declaration(node, feeds, depth)]
        if kind == "function_definition":
            return self._function(node, depth)
        if kind in _REDIRECTS:  # of no command: `$(< FILE)` stands for what the file holds
            self._redirect(node, alone := Command(feeds=feeds), depth)
            return [self._add(alone)]
        if kind in _IGNORED:
            return []
        return self._others(node, feeds, depth)

    def _others(self, node: Any, feeds: tuple[Command, ...], depth: int) -> list[Command]:
        if node.type == "list":
            return self._list(node, feeds, depth)
        found: list[Command] = []
        loop = node.type == "for_statement"
        for child in node.named_children:
            if loop and child.type == "variable_name":
                self.known.pop(self._text(child), None)
            elif loop and child.type not in ("do_group", "compound_statement"):
                found += self.word(child, depth + 1).sources
            else:
                found += self.statements(child, feeds, depth + 1)
        return found

    def _list(self, node: Any, feeds: tuple[Command, ...], depth: int) -> list[Command]:
        first, *rest = node.named_children
        found, behind = self.statements(first, feeds, depth + 1), []
        for child in rest:
            behind += self.statements(child, feeds, depth + 1)
        order.note(node, found, behind, len(self.script.commands), COMMANDS_MAX)
        return found + behind

    def _function(self, node: Any, depth: int) -> list[Command]:
        name = node.child_by_field_name("name")
        if name is not None:
            self.script.functions.add(self._text(name))
        body = node.child_by_field_name("body")
        return self.statements(body, (), depth + 1) if body is not None else []

    def _pipeline(self, parts: list[Any], feeds: tuple[Command, ...], depth: int) -> list[Command]:
        out: list[Command] = []
        for number, part in enumerate(parts):
            if number:
                for command in out:
                    command.last = False
                feeds = (*feeds, *out)
            out = self.statements(part, feeds, depth + 1)
        return out

    def _redirected(self, node: Any, feeds: tuple[Command, ...], depth: int) -> list[Command]:
        body = node.child_by_field_name("body")
        outer = Command(feeds=feeds)
        later: list[Any] = []
        for child in node.named_children:
            if child.type in _REDIRECTS:
                later += self._redirect(child, outer, depth)
        if body is None:
            found = [self._add(outer)]
        else:
            found = self.statements(body, feeds, depth + 1)
            # in a list, and in a pipe, it belongs to the last command
            ends = found[-1:] if body.type in ("list", "pipeline") else found
            for command in ends:
                command.redirects += outer.redirects
                command.text_in = command.text_in or outer.text_in
            if outer.words and found:
                found[-1].words += outer.words
        for part in later:
            for command in found:
                command.last = False
            found = self._pipeline([part], (*feeds, *found), depth)
        return found

    def _redirect(self, node: Any, command: Command, depth: int) -> list[Any]:
        """Notes a redirection at its command; returns the rest of a pipe that stands in it."""
        if node.type == "file_redirect":
            targets = node.children_by_field_name("destination")
            operator = next((c.type for c in node.children if not c.is_named), ">")
            if targets:
                command.redirects.append(Redirect(operator, self.word(targets[0], depth)))
            # the grammar takes what follows the file for files too
            for other in targets[1:]:
                command.words += self.words(other, depth)
            return []
        later = []
        text = ""
        opening = next((c for c in node.named_children if c.type == "heredoc_start"), None)
        quoted = opening is not None and self._text(opening)[0] in "'\"\\"
        for child in node.named_children:
            if quoted and child.type == "heredoc_body":
                self.verbatim.append((child.start_byte, child.end_byte))
            if child.type in ("heredoc_body", "word", "string", "raw_string") and (
                child.type == "heredoc_body" or node.type == "herestring_redirect"
            ):
                text += self._heredoc(child, depth)
            elif child.type in _REDIRECTS:
                later += self._redirect(child, command, depth)
            elif child.type in ("pipeline", "command", "list"):
                later += child.named_children if child.type == "pipeline" else [child]
            elif child.type not in ("heredoc_start", "heredoc_end", "file_descriptor"):
                command.words += self.words(child, depth)
        command.text_in = Word(text)
        return later

    def _heredoc(self, node: Any, depth: int) -> str:
        if node.type != "heredoc_body":
            return self.word(node, depth).text
        return "".join(text for text, _ in self._pieces(node, depth, quoted=True))

    def _command(self, node: Any, feeds: tuple[Command, ...], depth: int) -> Command:
        command = Command(feeds=feeds)
        for child in node.named_children:
            kind = child.type
            if kind == "variable_assignment":
                command.assigned.append(self._assigned(child, depth))
            elif kind in _REDIRECTS:
                for part in self._redirect(child, command, depth):
                    self._pipeline([part], (*feeds, command), depth)
            elif kind == "command_name":
                for part in child.named_children or [child]:
                    command.words += self.words(part, depth)
            elif kind != "comment":
                command.words += self.words(child, depth)
        return self._add(command)

    def _declaration(self, node: Any, feeds: tuple[Command, ...], depth: int) -> Command:
        first = node.children[0]
        command = Command([Word(self._text(first))], feeds=feeds)
        for child in node.named_children:
            if child.type == "variable_assignment":
                name, value = self._assigned(child, depth)
                command.assigned.append((name, value))
                self._remember(name, value)
            elif node.type == "test_command":
                self.statements(child, (), depth + 1)
            else:
                command.words += self.words(child, depth)
        return self._add(command)

    def _assignment(self, node: Any, depth: int) -> Command:
        name, value = self._assigned(node, depth)
        self._remember(name, value)
        return self._add(Command(assigned=[(name, value)]))

    def _assigned(self, node: Any, depth: int) -> tuple[str, Word]:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        return self._text(name) if name is not None else "", (
            self.word(value, depth) if value is not None else Word("")
        )

    def _remember(self, name: str, value: Word) -> None:
        """Keeps the value of a name that the whole script mentions once outside expansions: any
        other mention may give it another value, in whatever order the script runs.
        """
        if self.mentions is None:
            self.mentions = Counter(re.findall(r"\w+", self.source))
            self.mentions.subtract(re.findall(r"\$\{?(\w+)\b(?!:?[=?])", self.source))
        if self.mentions[name] == 1 and value.known and name != "IFS":
            self.known[name] = value.text

    def _add(self, command: Command) -> Command:
        if len(self.script.commands) >= COMMANDS_MAX:
            raise Unreadable(f"it holds more than {COMMANDS_MAX} commands")
        self.script.commands.append(command)
        return command

    # words

    def words(self, node: Any, depth: int) -> list[Word]:
        """The words a word becomes: braces multiply it, an unquoted `$IFS` splits it."""
        word = self.word(node, depth)
        texts = [word.text]
        if word.bare and "{" in word.text:
            texts = list(braces(word.text))
        texts = [part for text in texts for part in split(text)]
        if len(texts) == 1:
            word.text = texts[0]
            return [word]
        return [Word(text, word.sources, word.disguised, word.bare) for text in texts]

    def word(self, node: Any, depth: int) -> Word:
        """One word of the tree, unquoted."""
        if node.type == "word" and "\\" not in self.source[node.start_byte : node.end_byte]:
            return Word(self._text(node))
        sources: list[Command] = []
        text = ""
        for piece, inner in self._pieces(node, depth):
            text += piece
            sources += inner
        kind = node.type
        disguised = kind == "ansi_c_string" or (kind == "word" and odd_escape(self._text(node)))
        if kind == "concatenation":
            plain = {"word", "number", "simple_expansion", "expansion", "command_substitution"}
            quoted = [child for child in node.named_children if child.type not in plain]
            disguised = bool(quoted)
        bare = kind in ("word", "concatenation")
        return Word(text, tuple(sources), disguised, bare, kind == "process_substitution")

    def _pieces(
        self, node: Any, depth: int, *, quoted: bool = False
    ) -> Iterator[tuple[str, list[Command]]]:
        kind = node.type
        if depth > DEPTH_MAX:
            raise Unreadable(f"its commands are nested more than {DEPTH_MAX} deep")
        if kind in ("word", "number", "extglob_pattern", "regex"):
            yield unescape(self._text(node)), []
        elif kind == "raw_string":
            yield self._text(node)[1:-1], []
        elif kind == "ansi_c_string":
            yield ansi(self._text(node)[2:-1]), []
        elif kind in ("simple_expansion", "expansion"):
            yield from self._expansion(node, depth, quoted)
        elif kind in ("command_substitution", "process_substitution"):
            inner: list[Command] = []
            for child in node.named_children:
                # what `>(…)` runs reads what is written to it
                feeds = (Command([Word(HOLE)]),) if self.source[node.start_byte] == ">" else ()
                inner += self.statements(child, feeds, depth + 1)
            yield HOLE, inner
        elif kind in ("string", "translated_string", "heredoc_body"):
            yield from self._string(node, depth)
        elif kind in ("concatenation", "array", "command_name"):
            for child in node.named_children:
                if kind == "array":
                    yield " ", []
                yield from self._pieces(child, depth + 1)
        else:
            for child in node.named_children:
                for _, inner in self._pieces(child, depth + 1):
                    yield "", inner
            yield (HOLE if node.named_child_count else self._text(node)), []

    def _string(self, node: Any, depth: int) -> Iterator[tuple[str, list[Command]]]:
        """The text between the expansions of a string; the grammar drops some white space, so it
        is taken from the source.
        """
        quotes = 0 if node.type == "heredoc_body" else 1
        at = node.start_byte + quotes + (node.type == "translated_string")
        for child in node.named_children:
            if child.type in ("string_content", "heredoc_content"):
                continue
            if child.type == "string":
                yield from self._string(child, depth + 1)
                at = child.end_byte
                continue
            yield unescape_string(self._slice(at, child.start_byte)), []
            yield from self._pieces(child, depth + 1, quoted=True)
            at = child.end_byte
        if at < node.end_byte - quotes:
            yield unescape_string(self._slice(at, node.end_byte - quotes)), []

    def _expansion(
        self, node: Any, depth: int, quoted: bool
    ) -> Iterator[tuple[str, list[Command]]]:
        text = self._text(node)
        name = text[1:] if node.type == "simple_expansion" else text[2:-1]
        if name.endswith("@P"):
            self.script.wrong = self.script.wrong or "it runs a text as a prompt (`@P`)"
        if name in self.known:
            yield self._value(self.known[name], quoted), []
            return
        if name in PLACES:
            return (yield PLACES[name], [])
        for child in node.named_children:
            if child.type == "word" and _SUBSTITUTION.search(self._text(child)):
                self.script.wrong = self.script.wrong or "a substitution stands in an expansion"
            if child.type not in _IGNORED:
                for _, inner in self._pieces(child, depth + 1):
                    yield "", inner
        # a positional parameter is empty outside functions; it is used to glue words together
        yield ("" if name.isdigit() and name != "0" and not self.script.functions else HOLE), []

    def _value(self, value: str, quoted: bool) -> str:
        """A known value where it is expanded: outside quotes the shell splits it."""
        if quoted:
            return value.replace(SPLIT, " ")
        if self.known["IFS"] == HOLE:
            return HOLE
        return re.sub(r"\s+", SPLIT, value)

    def _text(self, node: Any) -> str:
        return self._slice(node.start_byte, node.end_byte)

    def _slice(self, start: int, end: int) -> str:
        return self.source[start:end]
