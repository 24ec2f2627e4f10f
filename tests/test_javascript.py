"""The JavaScript is type-checked: by the compiler of TypeScript, from comments, as it is written for the browser."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import deno
import pytest

ROOT = Path(__file__).resolve().parents[1]
KIT = [
    *sorted((ROOT / "book" / "assets").glob("*.js")),
    *sorted((ROOT / "rulbook" / "course" / "figures").glob("*.js")),
    *sorted((ROOT / "rulbook" / "course" / "walkthrough").glob("*.js")),
]
FIGURES = sorted((ROOT / "rulbook" / "course").glob("ch[0-9][0-9]/*.js"))
TRIED = sorted((ROOT / "tests" / "course" / "figures").glob("*.js"))
"""Figures that only tests show."""
BROWSER = {"strict": True, "lib": ["esnext", "dom", "dom.iterable"]}
# What a figure draws from comes as it pleases from Python: a callback on it may leave its types open.
LENIENT = {**BROWSER, "noImplicitAny": False}


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``problems(options, *files)``: what the compiler says; nothing where all is well."""
    folder = tmp_path_factory.mktemp("deno")
    quiet = {"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "DENO_DIR": str(folder / "cache")}

    def problems_(options: dict[str, object], *files: Path) -> str:
        config = folder / "compiler.json"
        config.write_text(json.dumps({"compilerOptions": options}))
        command = [deno.find_deno_bin(), "check", "--quiet", "--no-lock", "--no-remote", "--no-npm"]
        done = subprocess.run(
            [*command, "--config", config, *files],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **quiet},
            check=False,
        )
        assert (done.returncode == 0) == (done.stderr == ""), done.stderr
        return done.stderr

    return problems_


def test_every_script_of_ours_asks_to_be_checked() -> None:
    known = {*KIT, *FIGURES, *TRIED}
    found = {
        path
        for folder in ("book", "rulbook", "tests")
        for path in (ROOT / folder).rglob("*.js")
        if not path.is_relative_to(ROOT / "book" / "assets" / "mathjax")
    }
    assert found == known
    assert [path.name for path in known if not path.read_text(encoding="utf-8").startswith("// @ts-check\n")] == []


def test_the_kit_has_types_throughout(problems: Callable[..., str]) -> None:
    assert problems(BROWSER, *KIT) == ""


def test_figures_call_the_kit_as_it_wants_to_be_called(problems: Callable[..., str]) -> None:
    assert problems(LENIENT, *FIGURES) == ""


def test_so_do_the_figures_of_the_tests(tmp_path: Path, problems: Callable[..., str]) -> None:
    room = tmp_path / "room"
    for path, folder in [(ROOT / "rulbook/course/figures/shared.js", "figures"), *((path, "room") for path in TRIED)]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / path.name).write_bytes(path.read_bytes())
    assert len(TRIED) >= 2
    assert problems(LENIENT, *sorted(room.glob("*.js"))) == ""


SOUND = """// @ts-check
import { figure, fixed } from "./shared.js";

/** @param {number} life */
const ends = (life) => [0, life];

export default figure(({ data, colors, plot }) => {
  const life = ends(data.life)[1];
  const panel = plot({ x: { domain: [0, life], label: "cycle" }, y: { domain: [0, 1] } });
  panel.line([[0, 1], [life, 0]], { color: colors.amnl });
  return `Up to ${fixed(life)}.`;
});
"""


def test_mistakes_in_a_figure_are_found(tmp_path: Path, problems: Callable[..., str]) -> None:
    mistakes = [
        ('label: "cycle"', 'lable: "cycle"', "'lable' does not exist in type 'Axis'"),
        ("panel.line(", "panel.lines(", "Property 'lines' does not exist on type 'Panel'"),
        ("return `Up to ${fixed(life)}.`;", "return life;", "is not assignable to type 'string'"),
        ("fixed(life)", 'fixed("life")', "Argument of type 'string' is not assignable to parameter of type 'number'"),
        ("ends(data.life)", "ends()", "Expected 1 arguments, but got 0"),
    ]
    (tmp_path / "shared.js").write_bytes((ROOT / "rulbook/course/figures/shared.js").read_bytes())
    (tmp_path / "sound.js").write_text(SOUND)
    for i, (right, wrong, _) in enumerate(mistakes):
        (tmp_path / f"broken{i}.js").write_text(SOUND.replace(right, wrong, 1))
    said = problems(LENIENT, *sorted(tmp_path.glob("*.js")))
    assert "sound.js" not in said
    assert f"Found {len(mistakes)} errors." in said
    for i, (_, _, says) in enumerate(mistakes):
        assert says in said
        assert f"broken{i}.js" in said
