"""Small changes to the code, each of which a test should notice: found in the syntax tree, written as text.

A mutant replaces one stretch of one line's text by another. It keeps the file's layout, so that its line number is the
line number of the original, and what ran that line in a covered run can be asked about the mutant.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
_COMPARE |= {ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is"}
_ARITHMETIC = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Mod: "*", ast.Pow: "*"}
_TWINS = {"min": "max", "any": "all", "argmin": "argmax", "minimum": "maximum", "sum": "max", "mean": "sum"}
# Words for a person, and where a warning points: no test should hang on them.
_WORDS = {"help", "metavar", "description", "epilog", "desc", "unit", "title", "label", "stacklevel", "formatter_class"}
_TWINS |= {twin: name for name, twin in _TWINS.items() if name not in ("sum", "mean")}


@dataclass(frozen=True)
class Mutant:
    """One change: ``old`` at ``start`` of ``file`` becomes ``new``."""

    file: str
    line: int
    start: int
    old: str
    new: str
    kind: str

    @property
    def name(self) -> str:
        """What tells it from all others while the file stays as it is."""
        return f"{self.file}:{self.line}:{self.start}:{self.old}->{self.new}"

    def apply(self, text: str) -> str:
        """The whole file with the change made."""
        if text[self.start : self.start + len(self.old)] != self.old:
            raise ValueError(f"{self.file} has changed since its mutants were found: find them again.")
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def __str__(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.file}:{self.line} [{self.kind}] {old} -> {new}"


def find(root: Path, file: str) -> list[Mutant]:
    """Every mutant of one file that still parses and differs from it."""
    text = (root / file).read_text(encoding="utf-8")
    if file.endswith(".js"):
        return list(_in_javascript(file, text))
    tree = ast.parse(text)
    finder = _Finder(file, text)
    finder.visit(tree)
    original = ast.dump(tree)
    found = []
    for mutant in dict.fromkeys(finder.found):
        try:
            changed = ast.parse(mutant.apply(text))
        except SyntaxError:
            continue
        if ast.dump(changed) != original:
            found.append(mutant)
    return found


_SCRIPT = re.compile(
    r"""(?P<left>//.*|"[^"\n]*"|'[^'\n]*'|^import.*)|(?P<number>(?<![\w.#])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.]))"""
    r"""|(?P<operator> (?:<=|>=|<|>|===|!==|\+|-|\*|/|&&|\|\|) )|(?P<name>\bMath\.(?:min|max)\b)""",
    re.MULTILINE,
)
_OPERATORS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "===": "!==", "!==": "===", "+": "-", "-": "+", "*": "/"}
_OPERATORS |= {"/": "*", "&&": "||", "||": "&&"}


def _in_javascript(file: str, text: str) -> Iterator[Mutant]:
    """Numbers, operators and extremes of a script, outside of comments and quoted words."""
    for match in _SCRIPT.finditer(text):
        old, kind = match.group(), match.lastgroup or ""
        if kind == "left":
            continue
        if kind == "number":
            new = str(int(old) + 1) if old.isdigit() else f"{float(old) * 1.5:g}"
        elif kind == "operator":
            new = f" {_OPERATORS[old.strip()]} "
        else:
            new = "Math.max" if old.endswith("min") else "Math.min"
        yield Mutant(file, text.count("\n", 0, match.start()) + 1, match.start(), old, new, kind)


def draw(mutants: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """``count`` of them, or all: one a line first, so that no busy line is asked ten times."""
    generator = random.Random(seed)
    shuffled = generator.sample(mutants, len(mutants))
    first: dict[tuple[str, int], Mutant] = {}
    for mutant in shuffled:
        first.setdefault((mutant.file, mutant.line), mutant)
    chosen = [*first.values(), *(mutant for mutant in shuffled if mutant not in set(first.values()))][:count]
    return sorted(chosen, key=lambda mutant: (mutant.file, mutant.start))


class _Finder(ast.NodeVisitor):
    """Walks over what runs: no docstrings, no annotations, no words of a message, nothing that is only printed."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        lines = text.splitlines(keepends=True)
        self.line_starts = [0]
        for line in lines:
            self.line_starts.append(self.line_starts[-1] + len(line))
        self.lines = lines
        self.found: list[Mutant] = []

    def offset(self, line: int, column: int) -> int:
        # The tree counts bytes in a line, a string counts characters.
        return self.line_starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        begin = self.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        return begin, self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def source(self, node: ast.AST) -> str:
        begin, end = self.span(node)
        return self.text[begin:end]

    def note(self, node: ast.AST, new: str, kind: str) -> None:
        begin, end = self.span(node)
        self.found.append(Mutant(self.file, node.lineno, begin, self.text[begin:end], new, kind))  # type: ignore[attr-defined]

    def between(self, left: ast.AST, right: ast.AST, old: str, new: str, kind: str) -> None:
        """Change the operator that stands between two operands."""
        begin, end = self.span(left)[1], self.span(right)[0]
        place = self.text.find(old, begin, end)
        if place >= 0:
            line = self.text.count("\n", 0, place) + 1
            self.found.append(Mutant(self.file, line, place, old, new, kind))

    # What is left out.

    def visit_Raise(self, node: ast.Raise) -> None:
        """The words of an error are no behaviour that a mutant should ask about."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Nor are those of a message."""

    def visit_Import(self, node: ast.Import) -> None: ...

    visit_ImportFrom = visit_Import  # noqa: N815

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name in {"__repr__", "extra_repr", "__str__"}:
            return
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for child in self.without_docstring(node.body):
            self.visit(child)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for child in self.without_docstring(node.body):
            self.visit(child)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    @staticmethod
    def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
        return [child for child in body if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))]

    # What is changed.

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
            old = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
            old |= {ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not"}
            self.between(left, right, old[type(operator)], _COMPARE[type(operator)], "comparison")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
        signs |= {ast.Pow: "**"}
        new = _ARITHMETIC.get(type(node.op))
        text = isinstance(node.left, ast.Constant | ast.JoinedStr) and not _is_number(node.left)
        if new is not None and not text:
            self.between(node.left, node.right, signs[type(node.op)], new, "arithmetic")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        self.between(node.values[0], node.values[1], old, new, "and/or")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self.note(node, f"({self.source(node.operand)})", "sign" if isinstance(node.op, ast.USub) else "not")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        guarded = ast.unparse(node.test)
        if "TYPE_CHECKING" in guarded or "__name__" in guarded:
            return
        self.note(node.test, f"not ({self.source(node.test)})", "condition")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        body, other = self.source(node.body), self.source(node.orelse)
        test = self.source(node.test)
        self.note(node, f"({other}) if ({test}) else ({body})", "branches")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.note(node, str(not value), "constant")
        elif isinstance(value, int):
            self.note(node, str(value + 1), "constant")
        elif isinstance(value, float):
            self.note(node, repr(1.0 if value == 0 else value * 1.5), "constant")

    def visit_Call(self, node: ast.Call) -> None:
        whole = self.source(node)
        plain = all(not isinstance(argument, ast.Starred) for argument in node.args)
        named = any(isinstance(argument, ast.Constant) and isinstance(argument.value, str) for argument in node.args)
        if (
            len(node.args) >= 2
            and plain
            and not named
            and getattr(node.func, "id", "") not in {"isinstance", "getattr"}
        ):
            self.swap(node.args[0], node.args[1])
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in _WORDS:
                continue
            begin, end = self.span(keyword)
            rest = self.text[end : self.span(node)[1]]
            comma = len(rest) - len(rest.lstrip(" ,\n")) if rest.lstrip().startswith(",") else 0
            old = self.text[begin : end + comma]
            self.found.append(Mutant(self.file, keyword.lineno, begin, old, "", "argument left out"))
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _TWINS and whole:
            end = self.span(node.func)[1]
            line = self.text.count("\n", 0, end - len(name)) + 1
            self.found.append(Mutant(self.file, line, end - len(name), name, _TWINS[name], "function"))
        self.generic_visit(node)

    def swap(self, first: ast.AST, second: ast.AST) -> None:
        begin, middle = self.span(first)
        begin_second, end = self.span(second)
        old = self.text[begin:end]
        new = self.text[begin_second:end] + self.text[middle:begin_second] + self.text[begin:middle]
        self.found.append(Mutant(self.file, first.lineno, begin, old, new, "arguments swapped"))  # type: ignore[attr-defined]

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            # As many lines as before, so that the lines after it keep their numbers.
            self.note(node, "(" + "\n" * self.source(node).count("\n") + ")", "statement left out")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if "\n" not in self.source(node):
            self.note(node, "pass", "statement left out")
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        index = node.slice
        if isinstance(index, ast.Constant) and index.value == 0:
            self.note(index, "-1", "index")
        elif isinstance(index, ast.UnaryOp) and self.source(index) == "-1":
            self.note(index, "0", "index")
        else:
            self.visit(index)
        self.visit(node.value)


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def all_of(root: Path, files: list[str]) -> Iterator[Mutant]:
    """The mutants of several files."""
    for file in files:
        yield from find(root, file)
