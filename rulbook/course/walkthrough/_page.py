"""The page form of a walkthrough: code on the left, the state of the chosen line on the right, its note beneath.

Choosing a line is a group of radio buttons and a style sheet, so it works by mouse, touch and keyboard where scripts
do not run; without the style sheet, everything stands below its line. The script adds two buttons and a counter.
A kernel sends both with each walkthrough; notebooks store neither, and pages of the book load them as files.
There are no ids, so that any number of walkthroughs share a page and the same run always gives the same text.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib.resources import files

from rulbook.course.walkthrough._steps import HelperCall, Step
from rulbook.course.walkthrough._text import ROLE_WORDS
from rulbook.course.walkthrough._values import Value

_OPENING = '<div class="wt mathjax_ignore tex2jax_ignore">'
_PROGRAM = re.compile(r"\n<(style|script)>.*?</\1>", re.DOTALL)


def as_html(name: str, steps: tuple[Step, ...]) -> str:
    """One self-contained element."""
    colored = _colored(steps)
    chosen = next((i for i, step in enumerate(steps) if step.raised), 0)
    lines = "\n".join(_line(step, rows, i == chosen) for i, (step, rows) in enumerate(zip(steps, colored, strict=True)))
    title = escape(name)
    # method=dialog: Enter must not submit.
    return f"""\
{_OPENING}
<style>{_asset("walkthrough.css")}</style>
<form class="wt-form" method="dialog">
<p class="wt-head"><span><code>{title}</code>, line by line</span></p>
<div class="wt-lines" role="radiogroup" aria-label="Lines of {title}" style="--wt-lines: {len(steps)}">
{lines}
</div>
</form>
<script>{_asset("walkthrough.js")}</script>
</div>"""


def undressed(html: str) -> str:
    """The same without style sheet and script; what is no walkthrough stays as it is."""
    return _PROGRAM.sub("", html) if html.startswith(_OPENING) else html


def _line(step: Step, rows: list[str], chosen: bool) -> str:
    code = "<br>".join(
        f'<span class="wt-row" style="--wt-indent: {_indent(plain)}ch"><span class="wt-number">{number}</span> '
        f"<code>{row}</code></span>"
        for number, (plain, row) in enumerate(zip(step.code.split("\n"), rows, strict=True), step.number)
    )
    if not step.executes:
        return f'<div class="wt-step"><div class="wt-line wt-silent">{code}</div></div>'
    fate = "wt-raised" if step.raised else "" if step.runs else "wt-missed"
    badge = "raises" if step.raised else step.outcome.removeprefix("condition ").partition(",")[0]
    mark = f'<span class="wt-badge">{escape(badge)}</span> ' if badge else ""
    return (
        f'<div class="wt-step"><label class="wt-line {fate}">'
        f'<input type="radio" name="line"{" checked" if chosen else ""}>'
        f"{mark}{code}</label>\n"
        f'<div class="wt-state">{_state(step)}</div></div>'
    )


def _state(step: Step) -> str:
    parts = []
    if step.raised:
        parts.append(f'<p class="wt-error">{escape(step.raised)}</p>')
    if step.outcome:
        parts.append(f'<p class="wt-outcome">{escape(step.outcome.capitalize())}.</p>')
    if step.state:
        parts.append(f'<ul class="wt-values">{"".join(map(_value, step.state))}</ul>')
    elif not (step.raised or step.outcome):
        parts.append('<p class="wt-outcome wt-idle">No value changes here.</p>')
    parts += map(_helper, step.calls)
    parts += (f'<p class="wt-note">{_prose(paragraph)}</p>' for paragraph in step.note.split("\n") if paragraph)
    return "\n".join(parts)


def _value(value: Value) -> str:
    word = f'<span class="wt-role">{ROLE_WORDS[value.role]}</span>' if ROLE_WORDS[value.role] else ""
    name = f"<code>{escape(value.name)}</code> " if value.name else ""
    text = f'<br><code class="wt-data">{escape(value.text)}</code>' if value.text else ""
    return f'<li>{word}{name}<span class="wt-kind">{escape(value.kind)}</span>{text}</li>'


def _helper(call: HelperCall) -> str:
    times = f", called {call.count} times, the last shown" if call.count > 1 else ""
    rows = []
    for step, colored in zip(call.steps, _colored(call.steps), strict=True):
        fate = "wt-missed" if step.executes and not step.runs else ""
        code = "\n".join(colored)
        state = _state(step) if step.executes else ""
        rows.append(f'<li class="{fate}"><code>{code}</code>{state}</li>')
    title = f"<summary>Inside <code>{escape(call.name)}</code>{times}</summary>"
    return f'<details class="wt-helper">{title}<ol>{"".join(rows)}</ol></details>'


def _prose(text: str) -> str:
    """A note as HTML: what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip())


def _colored(steps: tuple[Step, ...]) -> list[list[str]]:
    """The rows of each step as HTML, in four colours."""
    try:
        from pygments.lexers import PythonLexer
        from pygments.token import Keyword, Name, Number, Operator, String
    except ImportError:  # Whatever shows a notebook has it: without it nobody sees colours.
        return [[escape(row) for row in step.code.split("\n")] for step in steps]

    kinds = {Keyword: "keyword", Operator.Word: "keyword", Name.Function: "name", Name.Builtin: "name"}
    kinds |= {Number: "literal", String: "string"}
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    rows = [""]
    for token, text in lexer.get_tokens("\n".join(step.code for step in steps)):
        css = next((f"wt-{name}" for kind, name in kinds.items() if token in kind), "")
        for i, part in enumerate(text.split("\n")):
            if i:
                rows.append("")
            if part:
                rows[-1] += f'<span class="{css}">{escape(part)}</span>' if css else escape(part)
    remaining = iter(rows)
    return [[next(remaining) for _ in step.code.split("\n")] for step in steps]


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").strip()
