"""One script of a figure, two forms: a module for a kernel, a classic script for a page. And what a page is given."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rulbook.course import scripts
from rulbook.course.figures import figure_class, figure_names
from rulbook.errors import InputError

SITE = scripts.site_files()
IMPORT = 'import { figure, fixed } from "../figures/shared.js";\n'
SOUND = f"""// @ts-check
{IMPORT}
/**
 * Twice as much.
 * @param {{number}} value
 */
export const twice = (value) => 2 * value;
export function half(value) {{
  // Less.
  return value / 2;
}}
const later = () => name;

export default figure(({{ state: {{ x }} }}) => fixed(twice(half(x))));

const name = "defined after the figure";
"""


def script(folder: Path, text: str) -> Path:
    path = folder / "ch99" / "own.js"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_page_gets_a_classic_script_that_puts_the_figure_where_the_host_looks(tmp_path: Path) -> None:
    assert scripts.for_page(script(tmp_path, SOUND)) == (
        'rulbook.figures["ch99/own.js"] = (() => {\n"use strict";\nconst { figure, fixed } = rulbook.kit;\n'
        "const twice = (value) => 2 * value;\nfunction half(value) {\nreturn value / 2;\n}\n"
        "const later = () => name;\nconst exportedFigure = figure(({ state: { x } }) => fixed(twice(half(x))));\n"
        'const name = "defined after the figure";\nreturn exportedFigure;\n})();\n'
    )


def test_a_kernel_gets_one_module_with_the_kit_inside(tmp_path: Path) -> None:
    module = scripts.for_kernel(script(tmp_path, SOUND))
    assert not re.search(r"^(import\b|//|/\*)", module, re.MULTILINE)
    exports = re.findall(r"^export (\w+ \w+)", module, re.MULTILINE)
    assert exports == ["const twice", "function half", "default figure"]
    assert "\nconst fixed = " in module


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("export default { render() {} };\n", r"own\.js must have exactly one import"),
        (IMPORT + IMPORT + "export default figure(() => '');\n", r"own\.js must have exactly one import"),
        (IMPORT + 'import x from "./x.js";\nexport default figure(() => "");\n', "it can import from the kit alone"),
        (IMPORT + "export const a = 1;\n", "has 0 lines that begin with `export default`"),
        (IMPORT + "const a = 1;\nexport { a };\nexport default figure(() => '');\n", r"says 'export \{ a \};'"),
    ],
)
def test_what_a_page_could_not_load_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        scripts.for_page(script(tmp_path, text))


def test_the_site_has_every_figure_the_kit_and_the_walkthrough_once() -> None:
    addresses = {f"figures/{figure_class(name)._address}" for name in figure_names()}
    assert len(addresses) >= 13
    assert set(SITE) == {scripts.KIT, scripts.STYLE, *scripts.WALKTHROUGH, *addresses}


def test_nothing_of_the_site_is_a_module() -> None:
    """A browser refuses to load modules from a folder."""
    for place, text in SITE.items():
        assert not re.search(r"^(import|export)\b", text, re.MULTILINE), place


def test_the_kit_is_on_the_site_once() -> None:
    assert [place for place, text in SITE.items() if "ResizeObserver" in text] == [scripts.KIT]


def test_a_new_figure_is_found_in_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tmp_path / "course"
    for folder in ("figures", "walkthrough"):
        shutil.copytree(Path(scripts.__file__).parent / folder, course / folder)
    script(course, SOUND)
    monkeypatch.setattr(scripts, "_HERE", course)
    assert [place for place in scripts.site_files() if place.endswith("own.js")] == ["figures/ch99/own.js"]


def test_the_book_is_built_with_the_standard_library() -> None:
    """Whoever builds the book has Sphinx, and none of the packages that figures need."""
    code = (
        "import sys; old = set(sys.modules); import rulbook.course.site; new = set(sys.modules) - old; "
        "print(*sorted({name.partition('.')[0] for name in new} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["rulbook"]
