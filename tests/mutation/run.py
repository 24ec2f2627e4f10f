"""Ask the tests about small changes to the code: which of them would go through unnoticed?

For each mutant the tests that run its line are run, quickest first, until one fails. Each runs in a process forked from
one that has the heavy libraries loaded, in a copy of the project, within a time limit; a mutant that runs out of time
is noticed too. Results are written as they come, and the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from mutants import Mutant, draw, find  # noqa: E402

_PYTEST = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:nbval", "-m", "not clock", "--no-header"]


def main() -> int:
    """Run one plan; 0 if enough mutants were noticed."""
    args = _arguments()
    plan = _plan(args)
    work = Path(args.work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    results = work / "results.jsonl"
    known = {row["name"]: row for row in _read(results)}
    todo = [mutant for mutant in plan if mutant.name not in known]
    if todo:
        covered = _covered(sorted({mutant.file for mutant in todo}), work)
        for count, (mutant, outcome) in enumerate(_outcomes(todo, covered, args.workers, work), start=1):
            row = {"name": mutant.name, "mutant": str(mutant), **outcome}
            known[mutant.name] = row
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{count}/{len(todo)} {outcome['outcome']:9} {mutant}", flush=True)
    return _report([known[mutant.name] for mutant in plan], args.wanted)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", help="modules to change (default: all that targets.toml names)")
    parser.add_argument("--count", type=int, default=200, help="how many mutants to draw (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument("--wanted", type=float, default=0.9, help="share that has to be noticed (default 0.9)")
    parser.add_argument("--named", action="store_true", help="the mutants of named.toml instead of drawn ones")
    parser.add_argument("--work", default="_build/mutation", help="folder for results (default _build/mutation)")
    return parser.parse_args()


def _plan(args: argparse.Namespace) -> list[Mutant]:
    if args.named:
        return list(_named())
    files = [str(Path(file)) for file in args.files] or sorted(_targets())
    mutants = [mutant for file in files for mutant in find(ROOT, file)]
    return draw(mutants, args.count, args.seed)


def _targets() -> dict[str, list[str]]:
    """Which tests may notice a change of which module: only a first sieve, the covered lines decide."""
    with (HERE / "targets.toml").open("rb") as file:
        table: dict[str, list[str]] = tomllib.load(file)
    return {
        str(path.relative_to(ROOT)): [test.replace("{Class}", path.stem.title().replace("_", "")) for test in tests]
        for pattern, tests in table.items()
        for path in sorted(ROOT.glob(pattern))
        if path.name != "__init__.py" or "__init__" in pattern
    }


def _named() -> Iterator[Mutant]:
    """The mutants written down by hand: each has gone through unnoticed once."""
    with (HERE / "named.toml").open("rb") as file:
        listed = tomllib.load(file)["mutant"]
    texts = {entry["file"]: (ROOT / entry["file"]).read_text(encoding="utf-8") for entry in listed}
    counts = [(entry, texts[entry["file"]].count(entry["old"])) for entry in listed]
    if moved := [f"  {e['old']!r} stands {count} times in {e['file']}." for e, count in counts if count != 1]:
        raise SystemExit("\n".join(["named.toml: each `old` must stand in its file once.", *moved]))
    for entry in listed:
        text = texts[entry["file"]]
        start = text.index(entry["old"])
        yield Mutant(entry["file"], text.count("\n", 0, start) + 1, start, entry["old"], entry["new"], entry["what"])


def _covered(files: list[str], work: Path) -> dict[str, dict[int, list[str]]]:
    """For each file and line the tests that run it, quickest first; from one covered run of their tests."""
    files = [file for file in files if file.endswith(".py")]
    tests = sorted({test for file in files for test in _targets().get(file, [])})
    data = work / "covered.json"
    stamp = max(path.stat().st_mtime for folder in ("rulbook", "tests") for path in (ROOT / folder).rglob("*.py"))
    kept = json.loads(data.read_text(encoding="utf-8")) if data.exists() and data.stat().st_mtime > stamp else {}
    if not set(tests) <= set(kept.get("tests", [])):
        print(f"one covered run of {len(tests)} test files …", flush=True)
        settings = work / "coverage.ini"
        settings.write_text(
            f"[run]\nsource = {ROOT / 'rulbook'}\ndynamic_context = test_function\ndata_file = {work / '.coverage'}\n"
        )
        durations = work / "durations.txt"
        pytest_args = ["-m", "pytest", *(a for a in _PYTEST if a != "-x"), "--durations=0", "-vv", *tests]
        with durations.open("w", encoding="utf-8") as log:
            command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", *pytest_args]
            done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, env=_environment(ROOT), check=False)
        if done.returncode != 0:
            raise SystemExit(f"The tests do not pass without any mutant: see {durations}.")
        kept = {"tests": tests, "lines": _lines(work / ".coverage", durations.read_text(encoding="utf-8"))}
        data.write_text(json.dumps(kept), encoding="utf-8")
    return {file: {int(line): names for line, names in rows.items()} for file, rows in kept.get("lines", {}).items()}


def _lines(database: Path, log: str) -> dict[str, dict[int, list[str]]]:
    import coverage

    seconds: dict[str, float] = {}
    functions: dict[str, set[str]] = {}
    # A test's name may hold blanks, from what it was given.
    for line in log.splitlines():
        if took := re.match(r"([\d.]+)s (?:call|setup)\s+(tests/.*::.*)", line.strip()):
            seconds[took[2]] = seconds.get(took[2], 0.0) + float(took[1])
        elif ended := re.match(r"(tests/.*?::.*) (?:PASSED|SKIPPED|XFAIL)", line):
            seconds.setdefault(ended[1], 0.0)
    for test in seconds:
        file, _, name = test.partition("::")
        functions.setdefault(f"{Path(file).stem}.{name.partition('[')[0].replace('::', '.')}", set()).add(test)
    result = coverage.CoverageData(basename=str(database))
    result.read()
    lines: dict[str, dict[int, list[str]]] = {}
    for measured in result.measured_files():
        rows = {}
        for line, contexts in result.contexts_by_lineno(measured).items():
            tests = {test for context in contexts for name in _endings(context) for test in functions.get(name, ())}
            # A line that runs at import has no test of its own: any test of the file may notice.
            rows[line] = sorted(tests, key=lambda test: seconds[test])
        lines[str(Path(measured).relative_to(ROOT))] = rows
    return lines


def _endings(context: str) -> Iterator[str]:
    words = context.split(".")
    for begin in range(len(words)):
        yield ".".join(words[begin:])


def _outcomes(
    todo: list[Mutant], covered: dict[str, dict[int, list[str]]], workers: int, work: Path
) -> Iterator[tuple[Mutant, dict[str, Any]]]:
    _load_heavy_libraries()
    with tempfile.TemporaryDirectory(dir=work) as folder:
        free = [Path(folder) / f"copy{number}" for number in range(workers)]
        for copy in free:
            ignore = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", ".mypy_cache", ".ruff_cache")
            shutil.copytree(ROOT, copy, ignore=ignore)
        # Where nothing is changed nothing may be noticed.
        every = sorted({test for mutant in todo for test in _tests_of(mutant, covered)[:3]})[:60]
        _, status = os.waitpid(_fork(free[0], every, work / "unchanged.log"), 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"Tests fail in a copy without any mutant: see {work / 'unchanged.log'}.")
        running: dict[int, tuple[Mutant, Path, float, float]] = {}
        waiting = list(todo)
        while waiting or running:
            while waiting and free:
                mutant = waiting.pop(0)
                tests = _tests_of(mutant, covered)
                if not tests:
                    yield mutant, {"outcome": "unreached", "seconds": 0.0}
                    continue
                copy = free.pop()
                original = (copy / mutant.file).read_text(encoding="utf-8")
                (copy / mutant.file).write_text(mutant.apply(original), encoding="utf-8")
                child = _fork(copy, tests, work / f"{copy.name}.log")
                running[child] = (mutant, copy, time.monotonic(), 90.0 + 3.0 * len(tests))
            if not running:
                continue
            finished, status = os.waitpid(-1, os.WNOHANG)
            if finished == 0:
                _end_late(running)
                time.sleep(0.05)
                continue
            mutant, copy, begun, _ = running.pop(finished)
            shutil.copy2(ROOT / mutant.file, copy / mutant.file)
            free.append(copy)
            code = os.waitstatus_to_exitcode(status)
            outcome = "survived" if code == 0 else "noticed" if code == 1 else "timeout" if code < 0 else "broken"
            yield mutant, {"outcome": outcome, "seconds": round(time.monotonic() - begun, 1)}


def _end_late(running: Mapping[int, tuple[Mutant, Path, float, float]]) -> None:
    """End the children whose time is up, with all that they started; they are waited for like any other."""
    for pid, (_, _, begun, limit) in running.items():
        if time.monotonic() - begun > limit:
            # It may have ended a moment ago, or not begun a group of its own yet: then the next round finds it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _tests_of(mutant: Mutant, covered: dict[str, dict[int, list[str]]]) -> list[str]:
    if mutant.file.endswith(".js"):
        # No run of Python tells which test runs a script's line: ask those that name its figure, or all.
        return _targets()[mutant.file]
    rows = covered.get(mutant.file, {})
    last = mutant.line + mutant.old.count("\n")
    tests = [test for line in range(mutant.line, last + 1) for test in rows.get(line, [])]
    if not tests and any(line in rows for line in range(mutant.line, last + 1)):
        tests = [test for names in rows.values() for test in names]
    quickest = list(dict.fromkeys(tests))
    return quickest[:150]


def _fork(copy: Path, tests: list[str], log: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(copy)
        os.environ.update(_environment(copy))
        sys.path[:] = [str(copy), str(copy / "tests"), *(p for p in sys.path if p not in (str(ROOT), str(HERE)))]
        import pytest

        code = int(pytest.main([*_PYTEST, f"--rootdir={copy}", *tests]))
    except BaseException:  # A child must never go on as its parent.
        code = 1
    os._exit(code)


def _environment(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _load_heavy_libraries() -> None:
    """Before the forks, so that each child finds them loaded; nothing of rulbook, which each child imports itself."""
    os.environ["OMP_NUM_THREADS"] = "1"
    libraries = "hypothesis jaxtyping matplotlib.pyplot pandas playwright.sync_api pytest safetensors.torch scipy.stats"
    for library in (*libraries.split(), "sklearn.cluster", "torch", "torchjd"):
        importlib.import_module(library)
    assert "rulbook" not in sys.modules


def _read(results: Path) -> list[dict[str, Any]]:
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


def _report(rows: list[dict[str, Any]], wanted: float) -> int:
    noticed = [row for row in rows if row["outcome"] in {"noticed", "timeout", "broken"}]
    print("\nNobody noticed:")
    for row in rows:
        if row not in noticed:
            print(f"  {row['outcome']:9} {row['mutant']}")
    share = len(noticed) / max(len(rows), 1)
    print(f"\n{len(noticed)} of {len(rows)} mutants were noticed: {share:.1%}. Wanted: {wanted:.0%}.")
    return 0 if share >= wanted else 1


if __name__ == "__main__":
    raise SystemExit(main())
