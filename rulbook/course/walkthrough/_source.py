"""A function's source as a reader steps through it: its logical lines, their notes, and the names that each binds.

A logical line is what Python executes as one: a statement, however many rows it spans, or the head of a loop, a
branch or a block.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Literal

from rulbook.errors import InputError

# Comments for tools, not for readers.
_DIRECTIVE = re.compile(r"#\s*(noqa|type:|fmt:|mypy:|pragma|pylint|pyright|ruff)")

_LONGEST_LABEL = 32


@dataclass
class Line:
    """One logical line.

    Attributes:
        rows: Its rows as shown: without comments and without the function's own indentation.
        note: What its comments say.
        executes: Whether it runs anything; ``else:`` does not.
        binds: Names it assigns, in order.
        mutates: Names, or attributes as ``self.ema``, that it assigns into.
        reads: Names it reads, in order.
        returns: What to call the parts that its ``return`` returns; None if it has no ``return``.
        head: What it is the head of.
        body: Index of the first line of its body, if it heads a loop or a branch.
        end: Index of the last line of its block; its own index if it heads none.
        iterates: Whether it draws from an iterator, and so may meet a ``StopIteration`` that is no error.
    """

    rows: tuple[str, ...]
    note: str
    executes: bool = False
    binds: list[str] = field(default_factory=list)
    mutates: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    returns: list[str] | None = None
    head: Literal["", "loop", "branch"] = ""
    body: int | None = None
    end: int = 0
    iterates: bool = False


class Source:
    """The lines of a function, by the index of each.

    Raises:
        ValueError: If Python cannot find the source, as for a function made by ``exec``.
    """

    def __init__(self, code: CodeType) -> None:
        try:
            rows, start = inspect.getsourcelines(code)
            # A method or an inner function is indented: under an `if` it parses as it stands.
            indent = rows[0][: -len(rows[0].lstrip())]
            shift = 1 if indent else 0
            text = "".join(["if True:\n"] * shift + rows)
            tree = ast.parse(text)
        except (OSError, SyntaxError) as error:
            raise InputError(
                f"f is {code.co_name}: its source cannot be found, so there are no lines to show."
            ) from error
        self._offset = start - 1 - shift
        self.lines, self._row_to_index = _logical_lines(text)
        function = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        self.definition = self._row_to_index[function.lineno]
        for node in _own_nodes(function):
            self._read(node)
        self._take_docstring(function)
        for line in self.lines:
            line.rows = tuple(row.removeprefix(indent) for row in line.rows)
        self.lines[:shift] = [Line((), "")] * shift
        for *_, row in code.co_lines():
            index = self.index(row)
            if index is not None and index > self.definition:
                self.lines[index].executes = True
        self.lines[self.definition].executes = True

    def index(self, row_in_file: int | None) -> int | None:
        """Index of the logical line that a row of the file belongs to."""
        return None if row_in_file is None else self._row_to_index.get(row_in_file - self._offset)

    def _read(self, node: ast.AST) -> None:
        index = self._row_to_index.get(getattr(node, "lineno", 0))
        if index is None:
            return  # Python 3.11 misplaces what stands inside an f-string of several rows.
        line = self.lines[index]
        match node:
            case ast.For() | ast.While() | ast.If() | ast.With():
                line.end = self._row_to_index[node.end_lineno or node.lineno]
                line.iterates |= isinstance(node, ast.For)
                body = self._row_to_index[node.body[0].lineno]
                if body != index and not isinstance(node, ast.With):
                    line.head, line.body = ("branch" if isinstance(node, ast.If) else "loop"), body
            case ast.Return(value=ast.Tuple(elts=parts)):
                labels = map(ast.unparse, parts)
                line.returns = [label if len(label) <= _LONGEST_LABEL else "…" for label in labels]
            case ast.Return(value=value):
                line.returns = [value.id if isinstance(value, ast.Name) else ""]
            case ast.Name(id=name, ctx=ast.Load()):
                line.reads.append(name)
            case (
                ast.Name(id=name)
                | ast.FunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
            ):
                line.binds.append(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                line.binds += [alias.asname or alias.name.split(".")[0] for alias in names]
            case ast.Subscript(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
                line.mutates += _assigned_into(node)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                line.iterates = True

    def _take_docstring(self, function: ast.FunctionDef) -> None:
        docstring = ast.get_docstring(function)
        if docstring is None:
            return
        head, first = self.lines[self.definition], self.lines[self._row_to_index[function.body[0].lineno]]
        summary = " ".join(docstring.split("\n\n")[0].split())
        summary = re.sub(r":[a-z:]+:(?=`)", "", summary).replace("``", "`")
        head.note = "\n".join(filter(None, [summary, head.note]))
        if first is not head:
            first.rows = ()


def _own_nodes(function: ast.FunctionDef) -> list[ast.AST]:
    """The nodes with a place in the source that run in the function's own frame, in the order of the source."""

    def visit(node: ast.AST) -> Iterator[ast.AST]:
        if hasattr(node, "lineno"):
            yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            return
        for name, children in ast.iter_fields(node):
            if isinstance(node, ast.comprehension) and name == "target":
                continue
            for child in children if isinstance(children, list) else [children]:
                if isinstance(child, ast.AST):
                    yield from visit(child)

    nodes = [node for statement in function.body for node in visit(statement)]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))  # type: ignore[attr-defined]


def _assigned_into(node: ast.expr) -> list[str]:
    """What ``x[...] = `` or ``x.name = `` changes, as far as it has a plain name."""
    while isinstance(node, ast.Subscript):
        node = node.value
    plain = isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name))
    return [ast.unparse(node)] if plain else []


def _logical_lines(text: str) -> tuple[list[Line], dict[int, int]]:
    """The logical lines, and the index of the line that each physical row belongs to."""
    rows = text.splitlines()
    lines: list[Line] = []
    row_to_index: dict[int, int] = {}
    notes: list[str] = []
    emptied: set[int] = set()
    first = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT:
            rows[row - 1] = rows[row - 1][:column].rstrip()
            if not rows[row - 1]:
                emptied.add(row)
            if not _DIRECTIVE.match(token.string):
                notes.append(token.string.lstrip("#:! ").rstrip())
        elif token.type == tokenize.NEWLINE:
            numbers = range(first, row + 1)
            shown = tuple(rows[number - 1] for number in numbers if number not in emptied)
            row_to_index |= dict.fromkeys(numbers, len(lines))
            lines.append(Line(shown, " ".join(notes), end=len(lines)))
            notes, first = [], 0
        elif not first and token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            first = row
    if notes and lines:
        lines[-1].note = " ".join(filter(None, [lines[-1].note, *notes]))
    return lines, row_to_index
