"""The mutants themselves: each changes what runs and nothing else, and the files that name them are in order."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutants import Mutant, draw, find

SOURCE = '''"""Words about 3 < 4."""

def share(part: int, whole: float = 2.0) -> float:
    """Of 5 in 10."""
    if part < 0 and not whole:
        raise ValueError(f"part is {part}: at least {0 + 1}.")
    print(min(part, 7), end="")
    return part / whole if part else max([1, 2], key=abs)
'''
SCRIPT = """import { fixed } from "./shared.js"; // 3 + 4
export const half = (x) => Math.max(x - 1, 0.5) / 2; // 8 < 9
const words = "7 < 8";
"""


@pytest.fixture
def found(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "share.py").write_text(SOURCE)
    return find(tmp_path, "share.py")


def test_every_kind_of_change_is_found_once(found: list[Mutant]) -> None:
    changes = {(mutant.line, mutant.old, mutant.new) for mutant in found}
    assert len(changes) == len(found)
    assert {
        (3, "2.0", "3.0"),
        (5, "<", "<="),
        (5, "and", "or"),
        (5, "not whole", "(whole)"),
        (5, "part < 0 and not whole", "not (part < 0 and not whole)"),
        (7, "part, 7", "7, part"),
        (7, "min", "max"),
        (7, 'end=""', ""),
        (7, 'print(min(part, 7), end="")', "()"),
        (8, "/", "*"),
        (8, "max", "min"),
        (8, "key=abs", ""),
    } <= changes


def test_words_annotations_and_errors_are_left_alone(found: list[Mutant]) -> None:
    assert {mutant.line for mutant in found} == {3, 5, 7, 8}


def test_a_mutant_parses_differs_and_keeps_the_lines(found: list[Mutant]) -> None:
    for mutant in found:
        changed = mutant.apply(SOURCE)
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(SOURCE)), mutant
        assert changed.count("\n") == SOURCE.count("\n"), mutant
    with pytest.raises(ValueError, match=r"share\.py has changed"):
        found[0].apply(SOURCE.replace("share", "shared", 1))


def test_scripts_are_changed_outside_of_comments_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "half.js").write_text(SCRIPT)
    changes = {(mutant.line, mutant.old.strip(), mutant.new.strip()) for mutant in find(tmp_path, "half.js")}
    assert changes == {
        (2, "Math.max", "Math.min"),
        (2, "-", "+"),
        (2, "1", "2"),
        (2, "0.5", "0.75"),
        (2, "/", "*"),
        (2, "2", "3"),
    }


def test_a_draw_is_the_same_for_a_seed_and_asks_each_line_before_any_twice(found: list[Mutant]) -> None:
    assert draw(found, 4, 1) == draw(found, 4, 1)
    assert {mutant.line for mutant in draw(found, 4, 1)} == {3, 5, 7, 8}
    assert draw(found, 4, 1) != draw(found, 4, 2)
    assert len(draw(found, 1000, 0)) == len(found)


def test_a_child_whose_time_is_up_is_ended_and_one_that_ended_by_itself_is_no_error() -> None:
    import run

    def child(seconds: float) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"], start_new_session=True)

    late, in_time, gone = child(60), child(60), child(0)
    gone.wait()
    now = time.monotonic()
    job = (Mutant("share.py", 1, 0, "a", "b", "number"), Path())
    run._end_late(
        {late.pid: (*job, now - 9.0, 5.0), in_time.pid: (*job, now - 1.0, 5.0), gone.pid: (*job, now - 9.0, 5.0)}
    )
    assert late.wait(timeout=30) == -signal.SIGKILL
    assert in_time.poll() is None
    in_time.kill()
    in_time.wait()


def test_a_named_mutant_that_stands_nowhere_is_named_and_so_are_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import run

    entry = '[[mutant]]\nfile = "share.py"\nwhat = "w"\nold = "{}"\nnew = "x"\n'
    (tmp_path / "named.toml").write_text("".join(map(entry.format, ("nowhere", "import ast", "t"))))
    (tmp_path / "share.py").write_text("import ast\n")
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as stopped:
        list(run._named())
    assert [line.strip() for line in str(stopped.value).splitlines()[1:]] == [
        "'nowhere' stands 0 times in share.py.",
        "'t' stands 2 times in share.py.",
    ]


def test_named_mutants_and_targets_are_in_the_files_that_they_name() -> None:
    import run

    named = list(run._named())
    assert len({mutant.name for mutant in named}) == len(named)
    for mutant in named:
        text = (run.ROOT / mutant.file).read_text(encoding="utf-8")
        assert mutant.apply(text) != text
        if mutant.file.endswith(".py"):
            ast.parse(mutant.apply(text))
    targets = run._targets()
    assert {mutant.file for mutant in named} <= set(targets)
    for tests in targets.values():
        for test in tests:
            assert (run.ROOT / test.partition("::")[0]).exists(), test
